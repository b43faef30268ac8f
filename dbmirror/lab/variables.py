"""The variables of a lab's compose.yaml: kept outside of the mirror's folder, written whole."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress

from dbmirror.errors import UsageError
from dbmirror.files import write_atomically
from dbmirror.lab.paths import LabPaths, make_private
from dbmirror.mirror_folder.files import write_below


class PathRefused(UsageError):
    """A path has a form that docker compose cannot read from a .env file."""


def read_environment(where: LabPaths) -> dict[str, str]:
    """The variables of the lab's environment file; none where there is no such file."""
    found = {}
    with suppress(OSError):
        for line in where.environment_file.read_text("utf-8", "replace").splitlines():
            if (match := re.fullmatch(r"([A-Z0-9_]+)='(.*)'", line)) is not None:
                found[match[1]] = match[2]
    return found


def write_environment(where: LabPaths, variables: Mapping[str, str]) -> None:
    """Write the lab's environment file whole, and its copy for plain `docker compose`. Raises PathRefused."""
    values = {**variables, "DBMIRROR_LAB_ID": where.identity}
    lines = [f"{name}='{_checked(name, value)}'" for name, value in sorted(values.items())]
    make_private(where)
    write_atomically(where.environment_file, "".join(f"{line}\n" for line in lines).encode())
    heading = (
        "# dbmirror lab up writes this anew, for plain 'docker compose' in this folder; it does not read it.",
        f"COMPOSE_PROJECT_NAME='{where.project.name}'",
    )
    write_below(where.folder, {where.copy_for_compose.name: "".join(f"{e}\n" for e in (*heading, *lines)).encode()})


def _checked(name: str, value: str) -> str:
    if any(letter in value for letter in "'\n\r\0"):
        raise PathRefused(
            f"{value!r} cannot stand in the .env file of docker compose ({name}).",
            remedy="Use a path without quotes and line ends.",
        )
    return value
