"""The variables of a lab's compose.yaml: kept outside of the mirror's folder, written whole."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from dbmirror.errors import UsageError
from dbmirror.files import write_atomically
from dbmirror.lab.paths import LabPaths, make_private
from dbmirror.mirror_folder.files import write_below

_FIRST_PORT: Final = 8888


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


def choose_ports(known: Mapping[str, str], forwards: tuple[int, ...], *, running: bool) -> dict[str, str]:
    """A port of 127.0.0.1 for JupyterLab and one for each forward, as variables of the environment file.

    The `known` ones stay while the lab is `running` or they are free; else the next free one is taken.
    """
    wanted = {"DBMIRROR_LAB_PORT": _FIRST_PORT, **{f"DBMIRROR_PORT_{port}": port for port in forwards}}
    chosen: dict[str, str] = {}
    for name, first in wanted.items():
        port = int(known[name]) if known.get(name, "").isdigit() else first
        if not running:
            while str(port) in chosen.values() or not _free(port):
                port = port + 1 if port < 65535 else 1024
        chosen[name] = str(port)
    return chosen


def _checked(name: str, value: str) -> str:
    if any(letter in value for letter in "'\n\r\0"):
        raise PathRefused(
            f"{value!r} cannot stand in the .env file of docker compose ({name}).",
            remedy="Use a path without quotes and line ends.",
        )
    return value


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
