"""The three standard streams, also where whoever started this process closed one of them (`dbmirror profiles >&-`)."""

from __future__ import annotations

import os
import sys


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


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
