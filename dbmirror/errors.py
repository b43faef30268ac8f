"""The errors that end a command, each with what to do about it and its documented exit code."""

from __future__ import annotations

from typing import ClassVar


class DbmirrorError(Exception):
    """Base of every error that the CLI turns into one message; anything else is a defect and shows a traceback.

    `message` says what is wrong, in one sentence; `remedy` says what the user can do, if anything.
    Each concept (hosts, index, engine, …) derives its own base from one of the four kinds below.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()


class DifferenceFound(DbmirrorError):
    """A check ran to its end and found a difference. Exit code 1."""

    exit_code = 1


class UsageError(DbmirrorError):
    """The command line, the configuration, or a file in the mirror's folder is not usable. Exit code 2."""

    exit_code = 2


class RemoteError(DbmirrorError):
    """The remote side failed: workspace, driver, package index or registry. Exit code 3."""

    exit_code = 3


class DockerError(DbmirrorError):
    """Docker failed: no engine, no buildx, a build that stopped, a container that did not start. Exit code 4."""

    exit_code = 4
