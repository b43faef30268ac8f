"""A compose project, and how Docker is called for it: nothing is taken from the working folder or the shell."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import docker.errors
import requests

from dbmirror.engine.docker import client, unavailable
from dbmirror.engine.errors import EngineError

_PROJECT_LABEL: Final = "com.docker.compose.project"
_CHOICE_OF_ENGINE: Final = frozenset(
    f"DOCKER_{name}" for name in ("HOST", "CONTEXT", "CONFIG", "CERT_PATH", "TLS", "TLS_VERIFY", "API_VERSION")
)
"""Which engine is used, and the user's own docker config: theirs to choose."""
_NOT_HANDED_ON: Final = ("COMPOSE_", "DOCKER_", "DBMIRROR_")
"""Variables that say what compose does, and those that compose.yaml reads from its environment file."""


class NotOwn(EngineError):
    """Something in the engine has the name of this lab's project, and this lab did not make it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeProject:
    """All that compose has to know, given to it with every call."""

    name: str
    """The project's name: lower-case letters, digits, `-` and `_`."""
    label: str
    """The label of everything that is the project's own, …"""
    owner: str
    """… and its value."""
    folder: Path
    """The folder that relative paths of the compose file start from."""
    file: Path
    """The compose file: dbmirror's own copy, outside of what a repository holds."""
    environment_file: Path
    """The values of its variables: the same."""

    @property
    def is_known(self) -> bool:
        """Whether both files are there: the stack was started, or prepared for it."""
        return self.file.is_file() and self.environment_file.is_file()


def command(project: ComposeProject, *arguments: str) -> list[str]:
    """The command line that runs compose on `project`, to be run with `docker_environment`."""
    return [
        *("docker", "compose", "--project-name", project.name, "--project-directory", str(project.folder)),
        *("--file", str(project.file), "--env-file", str(project.environment_file)),
        *arguments,
    ]


def docker_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """`environment` without what would change whose containers are touched; the choice of the engine stays."""
    return {
        name: value
        for name, value in environment.items()
        if name in _CHOICE_OF_ENGINE or not name.startswith(_NOT_HANDED_ON)
    }


def require_own(project: ComposeProject) -> None:
    """Raises NotOwn where a container, network or volume of the project's name is not labelled as its own.

    Compose would replace or remove such a one, or take a foreign volume for its own. EngineError where Docker fails.
    """
    with closing(client()) as connected:
        try:
            found = {
                "container": connected.api.containers(all=True),
                "network": connected.api.networks(),
                "volume": connected.api.volumes()["Volumes"] or [],
            }
        except (docker.errors.DockerException, requests.RequestException) as error:
            raise unavailable(error) from error
    for kind, each in ((kind, each) for kind, listed in found.items() for each in listed):
        labels = each.get("Labels") or {}
        names = [name.removeprefix("/") for name in each.get("Names") or [each.get("Name", "")]]
        in_project = labels.get(_PROJECT_LABEL) == project.name or any(
            name.startswith((f"{project.name}-", f"{project.name}_")) for name in names
        )
        if in_project and labels.get(project.label) != project.owner:
            raise NotOwn(
                f"The {kind} {names[0]} has the name of this lab, and this lab did not make it.",
                remedy=f"Look at it with 'docker {kind} inspect {names[0]}'; if nobody needs it, remove it by hand.",
            )
