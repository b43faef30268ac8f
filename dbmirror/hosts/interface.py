"""The `Host` protocol that the three kinds of host keep, and the errors they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from dbmirror.errors import RemoteError
from dbmirror.processes.programs import LARGEST_OUTPUT


class HostError(RemoteError):
    """A host could not be reached, or could not run a command or hand over a file."""

    maybe_gone: ClassVar[bool] = False
    """Whether the host may have ended: then whoever started it knows more."""


def too_much(program: str, host: str, limit: int) -> HostError:
    """The error of a command that prints without an end, on whatever kind of host."""
    return HostError(f"{program!r} on {host} printed more than {limit >> 20} MiB and was stopped.")


@dataclass(frozen=True, slots=True)
class Completed:
    """What a command left behind when it ended."""

    argv: tuple[str, ...]
    """The command as it was asked for."""
    code: int
    """Its exit status; 128 + N where signal N ended it."""
    stdout: bytes
    stderr: bytes


class Host(Protocol):
    """Something that runs a command with bytes on stdin, gives back bytes, and hands over files.

    Every implementation is a context manager: leaving it closes the connection or removes the container.
    """

    @property
    def name(self) -> str:
        """What messages call this host, for example `driver of demo (10.0.0.4)`."""

    def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0, limit: int = LARGEST_OUTPUT
    ) -> Completed:
        """Run `argv` (no shell is added) with `stdin`, for at most `timeout` seconds.

        A command that fails is a `Completed` with its code. Raises HostError if it cannot be run, takes longer, or
        prints more than `limit` bytes.
        """

    def fetch(self, path: str, *, limit: int = 1 << 30) -> bytes:
        """The content of the file at the absolute `path`, of at most `limit` bytes.

        Raises HostError if there is no such file, it cannot be read, or it is larger.
        """
