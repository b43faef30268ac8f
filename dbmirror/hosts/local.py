"""This machine as a host: a child process in a process group of its own, of which nothing is left behind."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from dbmirror.hosts.interface import Completed, HostError, too_much
from dbmirror.processes.programs import LARGEST_OUTPUT, Ending, ProcessFailed, capture

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

    def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0, limit: int = LARGEST_OUTPUT
    ) -> Completed:
        """Run `argv` (no shell) with `stdin`, for at most `timeout` seconds; then its whole process group ends.

        Raises HostError if it cannot be started or takes longer.
        """
        arguments = tuple(argv)
        try:
            done = capture(arguments, stdin=stdin, timeout=timeout, limit=limit, stop_seconds=GRACE, whole_group=True)
        except ProcessFailed as error:
            program = arguments[0] if arguments else ""
            if error.ending is Ending.LATE:
                raise HostError(
                    f"{program!r} on {self.name} did not end within {timeout:g} seconds and was stopped."
                ) from None
            if error.ending is Ending.TOO_MUCH:
                raise too_much(program, self.name, limit) from None
            reason = error.message.partition(": ")[2].rstrip(".")
            raise HostError(
                f"{program!r} cannot be run on {self.name}: {reason}.", remedy="Install it, or put it on PATH."
            ) from error
        code = done.code if done.code >= 0 else 128 - done.code
        return Completed(argv=arguments, code=code, stdout=done.stdout, stderr=done.stderr)

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
