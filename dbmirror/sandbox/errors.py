"""What goes wrong around the sandbox, by the side that it goes wrong on."""

from __future__ import annotations

from dbmirror.errors import DockerError, RemoteError, UsageError


class SandboxRefused(UsageError):
    """The sandbox cannot be made as it was asked for: a profile's name is taken, a package list is not one."""


class SandboxNotBuilt(DockerError):
    """A base image, the driver's image, its network or its container could not be made."""


class WorkspaceNotAnswering(RemoteError):
    """The stand-in workspace did not start, or does not answer any more."""
