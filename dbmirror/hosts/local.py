"""This machine as a host: a child process in a process group of its own, of which nothing is left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from dbmirror.hosts.interface import Completed, HostError

GRACE = 2.0
"""Seconds that a command gets to end by itself after it was asked to, before it is killed."""


class LocalHost:
    """This machine. Closing it does nothing: each command is gone when `run` returns or raises."""

    name = "this machine"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        """Run `argv` (no shell) with `stdin`, for at most `timeout` seconds; then its whole process group ends.

        Raises HostError if it cannot be started or takes longer.
        """
        arguments = tuple(argv)
        try:
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError, IndexError) as error:
            program = arguments[0] if arguments else ""
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise HostError(
                f"{program!r} cannot be run on {self.name}: {reason}.", remedy="Install it, or put it on PATH."
            ) from error
        try:
            stdout, stderr = process.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired:
            _terminate(process)
            raise HostError(
                f"{arguments[0]!r} on {self.name} did not end within {timeout:g} seconds and was stopped."
            ) from None
        except BaseException:
            _terminate(process)
            raise
        _signal_group(process, signal.SIGKILL)
        code = process.returncode if process.returncode >= 0 else 128 - process.returncode
        return Completed(argv=arguments, code=code, stdout=stdout, stderr=stderr)

    def fetch(self, path: str, *, limit: int = 1 << 30) -> bytes:
        """The content of the regular file at the absolute `path`, of at most `limit` bytes.

        Raises HostError if there is no such file, it cannot be read, or it is larger.
        """
        file = Path(path)
        if not file.is_absolute() or "\0" in path:
            raise HostError(f"{path!r} is not an absolute path.")
        try:
            # Without O_NONBLOCK, a named pipe that stands at the path would hold us for ever.
            descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as stream:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise HostError(f"{path} on {self.name} is not a regular file.")
                content = stream.read(limit + 1)
        except OSError as error:
            raise HostError(f"{path} on {self.name} cannot be read: {error.strerror or error}.") from error
        if len(content) > limit:
            raise HostError(f"{path} on {self.name} is larger than {limit} bytes.")
        return content


def _terminate(process: subprocess.Popen[bytes]) -> None:
    """Ask the process group to end, wait for GRACE, then kill what is left of it and collect it."""
    _signal_group(process, signal.SIGTERM)
    try:
        process.communicate(timeout=GRACE)
    except subprocess.TimeoutExpired:
        pass
    finally:
        _signal_group(process, signal.SIGKILL)
        process.kill()
        process.communicate()


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    # The group is gone when all of it ended by itself; the leader's id is the group's id.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
