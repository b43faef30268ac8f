"""Credential helpers and the az command line, as child processes that end in time."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_GRACE = 2.0
"""Seconds between the polite signal and the one that cannot be ignored."""


class ChildFailed(Exception):
    """A child process could not be started or did not end in time; the text says which, and never what it printed."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What a child process left behind; its output may be secret, and so its repr is not shown anywhere."""

    code: int
    stdout: bytes
    stderr: bytes

    def __repr__(self) -> str:
        return f"Finished(code={self.code})"


def run_child(
    argv: Sequence[str], *, environ: Mapping[str, str], stdin: bytes = b"", deadline: float = 30.0
) -> Finished:
    """Run `argv` with exactly `environ` for at most `deadline` seconds; what takes longer is ended with all it started.

    Raises ChildFailed where the program is not on the PATH of `environ`, cannot be started, or took too long.
    """
    program = shutil.which(argv[0], path=environ.get("PATH", os.defpath))
    if program is None:
        raise ChildFailed(f"{argv[0]} is not installed")
    try:
        process = subprocess.Popen(
            [program, *argv[1:]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environ),
            start_new_session=True,
        )
    except OSError as error:
        raise ChildFailed(f"{argv[0]} cannot be started: {error.strerror or error}") from None
    with process:
        try:
            stdout, stderr = process.communicate(stdin, timeout=deadline)
        except subprocess.TimeoutExpired:
            _end(process)
            raise ChildFailed(f"{argv[0]} did not answer within {deadline:g} seconds") from None
        except BaseException:
            _end(process)
            raise
    return Finished(process.returncode, stdout, stderr)


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.communicate(timeout=_GRACE)
        except subprocess.TimeoutExpired:
            continue
