"""Asks a credential helper or the az command line; why one gave no credential is a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from dbmirror.processes.programs import Captured, Ending, ProcessFailed, capture
from dbmirror.publish.registries.credential import Unserved

_LARGEST: Final = 1 << 20
"""Bytes; a token has some thousand."""


def ask_program(argv: Sequence[str], environ: Mapping[str, str], *, seconds: float, stdin: bytes = b"") -> Captured:
    """What `argv` prints, run with exactly `environ`. Raises ProcessFailed where it does not end by itself in time."""
    return capture(argv, environment=environ, stdin=stdin, timeout=seconds, limit=_LARGEST)


def unserved(failure: ProcessFailed, program: str, *, seconds: float) -> Unserved:
    """Why `program` gave no credential; never what it printed."""
    match failure.ending:
        case Ending.MISSING:
            return Unserved(f"{program} is not installed")
        case Ending.LATE:
            return Unserved(f"{program} did not answer within {seconds:g} seconds")
        case Ending.TOO_MUCH:
            return Unserved(f"{program} printed more than an answer")
        case _:
            return Unserved(f"{program} cannot be started")
