"""What goes wrong with containers, in this room's words."""

from __future__ import annotations

from dbmirror.errors import DockerError
from dbmirror.hosts.interface import HostError


class ContainerHostError(DockerError, HostError):
    """A container could not be started or reached, or could not run a command or hand over a file. Exit code 4."""


class NoEngine(ContainerHostError):
    """No Docker Engine answers."""


class NoSuchImage(ContainerHostError):
    """The engine has no image of that name."""


class ContainerStopped(ContainerHostError):
    """The container does not run, or is gone."""
