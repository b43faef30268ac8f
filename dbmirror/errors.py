"""The errors that end a command, each with what to do about it and its documented exit code."""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Final, Self


class ExitCode(IntEnum):
    """How a command ended: every exit code of dbmirror's own."""

    DONE = 0
    DIFFERENCE = 1
    USAGE = 2
    REMOTE = 3
    DOCKER = 4
    HUNG_UP = 129
    """This and the next two are 128 and the number of the signal, as shells have it."""
    INTERRUPTED = 130
    TERMINATED = 143


MEANINGS: Final = {
    ExitCode.DONE: "done",
    ExitCode.DIFFERENCE: "a check found a difference",
    ExitCode.USAGE: "usage or configuration",
    ExitCode.REMOTE: "the remote side failed (workspace, driver, index, registry)",
    ExitCode.DOCKER: "Docker failed",
    ExitCode.HUNG_UP: "the terminal was closed",
    ExitCode.INTERRUPTED: "Ctrl-C",
    ExitCode.TERMINATED: "ended by SIGTERM",
}
"""What the help says of each exit code."""


class DbmirrorError(Exception):
    """Base of every error that the CLI turns into one message; anything else is a defect and shows a traceback.

    `message` says what is wrong, in one sentence; `remedy` says what the user can do, if anything. A room that does not
    know which mirror it works for writes MIRROR in the command that helps; `of_mirror` puts the name there.
    Each concept (hosts, index, engine, …) derives its own base from one of the four kinds below.
    """

    exit_code: ExitCode = ExitCode.DIFFERENCE

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def of_mirror(self, name: str) -> Self:
        """This error with the mirror's name in its remedy: called wherever an error leaves the work on one mirror."""
        self.remedy = re.sub(r"\bMIRROR\b", name, self.remedy)
        return self

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()


class DifferenceFound(DbmirrorError):
    """A check ran to its end and found a difference."""

    exit_code = ExitCode.DIFFERENCE


class UsageError(DbmirrorError):
    """The command line, the configuration, or a file in the mirror's folder is not usable."""

    exit_code = ExitCode.USAGE


class RemoteError(DbmirrorError):
    """The remote side failed: workspace, driver, package index or registry."""

    exit_code = ExitCode.REMOTE


class DockerError(DbmirrorError):
    """Docker failed: no engine, no buildx, a build that stopped, a container that did not start."""

    exit_code = ExitCode.DOCKER
