"""The three standard streams: where one is closed (`dbmirror profiles >&-`), and where one cannot be written."""

from __future__ import annotations

import os
import sys
from traceback import walk_tb
from typing import IO, Any

import click


def open_missing_streams() -> None:
    """Put the null device where a standard stream is closed.

    Else the next file or socket that is opened gets its number, and what a child process prints goes there.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            with open(os.devnull, "r+b", buffering=0) as null:  # noqa: PTH123 - a device
                if not _is_open(number):
                    os.dup2(null.fileno(), number)
            setattr(sys, name, open(os.devnull, "r" if number == 0 else "w"))  # noqa: PTH123, SIM115 - until the end


def caused(error: OSError) -> bool:
    """Whether `error` came from printing: a full disk, and nothing that the command did otherwise."""
    return any(frame.f_code is click.echo.__code__ for frame, _ in walk_tb(error.__traceback__))


def unwritable(what: str, error: OSError) -> str:
    """What to say where `what` could not be printed."""
    return f"{what} cannot be written to stdout: {error.strerror or error}."


def silence(stream: IO[Any] | None = None) -> None:
    """Let `stream` (stdout) lead nowhere from now on, so that its end is no second failure."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), (stream or sys.stdout).fileno())


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
