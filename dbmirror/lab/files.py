"""What a lab needs on this machine beside its committed files: tokens, the pinned host key, and .env to name them."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dbmirror.errors import UsageError
from dbmirror.files import write_atomically
from dbmirror.folders import known_hosts_file, state_folder
from dbmirror.hosts.known_hosts import HostKey, KnownHosts
from dbmirror.lab_containers.tunnel.settings import MOST_JUMPS
from dbmirror.mirror_folder.files import make_folder_below, read_below, write_below
from dbmirror.mirror_folder.trees import give_below

LAB_USER: Final = 1000
"""The uid that the containers run as where the notebooks are root's, or this system has no uids."""
_FIRST_PORT: Final = 8888


class PathRefused(UsageError):
    """A path has a form that docker compose cannot read from a .env file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabPlaces:
    """Where the parts of one mirror's lab lie."""

    folder: Path
    """The mirror's folder, with compose.yaml."""
    private: Path
    """A folder of dbmirror's state that only this user can enter."""

    @property
    def environment_file(self) -> Path:
        """`.env`, which compose reads by itself; it names files and holds no secret."""
        return self.folder / ".env"

    @property
    def notebooks(self) -> Path:
        """The notebooks, which outlive the stack."""
        return self.folder / "notebooks"

    @property
    def token(self) -> Path:
        """JupyterLab's token."""
        return self.private / "token"

    @property
    def workspace(self) -> Path:
        """The folder that the containers read the workspace's token from: a new token in it is seen at once."""
        return self.private / "workspace"

    @property
    def workspace_token(self) -> Path:
        """The token for the workspace: the tunnel asks it for the driver's address, `spark` and `dbutils` use it."""
        return self.workspace / "token"

    @property
    def pins(self) -> Path:
        """The folder that the tunnel reads the pinned host keys from, which are public."""
        return self.private / "pins"


def places(folder: Path) -> LabPlaces:
    """The places of the lab of the mirror in `folder`."""
    folder = folder.absolute()
    mark = hashlib.sha256(str(folder).encode()).hexdigest()[:8]
    return LabPlaces(folder=folder, private=state_folder() / "lab" / f"{folder.name}-{mark}")


def ensure_token(where: LabPlaces, *, user: int) -> str:
    """JupyterLab's token: the one that is there, else a new random one, in a file for `user` alone."""
    _private_folder(where)
    with suppress(OSError):
        if known := where.token.read_text().strip():
            _give(where.token, user)
            return known
    token = secrets.token_urlsafe(32)
    write_atomically(where.token, f"{token}\n".encode(), mode=0o600)
    _give(where.token, user)
    return token


def write_workspace_token(where: LabPlaces, token: str | None, *, user: int) -> bool:
    """Keep the workspace's token for the lab's `user` alone, or none; whether it is another than before."""
    _private_folder(where)
    where.workspace.mkdir(exist_ok=True)
    where.workspace.chmod(0o755)
    changed = write_atomically(where.workspace_token, f"{token}\n".encode() if token else b"", mode=0o600)
    _give(where.workspace_token, user)
    return changed


def read_workspace_token(where: LabPlaces) -> str | None:
    """The workspace's token that the lab has; None where it has none."""
    with suppress(OSError):
        return where.workspace_token.read_text().strip() or None
    return None


def publish_pin(folder: Path, cluster_id: str) -> bool:
    """Hand the pinned host key of `cluster_id` to the tunnel of the lab in `folder`, which sees it at once.

    Whether one is pinned. Does nothing where the lab was never prepared.
    """
    where = places(folder)
    if not where.private.is_dir():
        return False
    known = KnownHosts(known_hosts_file())
    keys = known.keys(cluster_id)
    where.pins.mkdir(exist_ok=True)
    where.pins.chmod(0o755)
    tunnels = KnownHosts(where.pins / "known_hosts")
    if tunnels.keys(cluster_id) != keys or not tunnels.path.is_file():
        tunnels.forget(cluster_id)
        for key in reversed(keys):
            tunnels.pin(cluster_id, key)
    if tunnels.path.is_file():
        tunnels.path.chmod(0o644)
    return bool(keys)


def publish_jump_pins(where: LabPlaces, keys: Sequence[tuple[HostKey, ...]]) -> None:
    """Hand the tunnel the trusted host keys of its jump hosts, in their order, in place of those that it had."""
    where.pins.mkdir(exist_ok=True)
    where.pins.chmod(0o755)
    tunnels = KnownHosts(where.pins / "known_hosts")
    for number in range(1, MOST_JUMPS + 1):
        name = f"jump-{number}"
        wanted = keys[number - 1] if number <= len(keys) else ()
        if set(tunnels.keys(name)) != set(wanted):
            tunnels.forget(name)
            for key in reversed(wanted):
                tunnels.pin(name, key)
    if tunnels.path.is_file():
        tunnels.path.chmod(0o644)


def lab_user(where: LabPlaces) -> int:
    """The uid that the lab runs as: the owner of the notebooks folder, which is made if it is missing.

    Where root is asking, what is root's in that folder is given to LAB_USER: the lab does not run as root.
    """
    make_folder_below(where.folder, where.notebooks.name)
    owner = where.notebooks.lstat().st_uid
    if owner != 0:
        return owner
    if os.name == "posix" and os.geteuid() == 0:
        give_below(where.folder, where.notebooks.name, LAB_USER)
    return LAB_USER


def read_environment(where: LabPlaces) -> dict[str, str]:
    """The variables of `.env`; none where there is no such file."""
    found = {}
    with suppress(OSError):
        for line in _environment_lines(where):
            if (match := re.fullmatch(r"([A-Z0-9_]+)='?(.*?)'?", line.strip())) is not None:
                found[match[1]] = match[2]
    return found


def write_environment(where: LabPlaces, variables: Mapping[str, str]) -> None:
    """Write `variables` to `.env`; lines of it with other names stay. Raises PathRefused."""
    lines = []
    with suppress(OSError):
        lines = [
            line
            for line in _environment_lines(where)
            if not line.startswith("# dbmirror lab up") and line.partition("=")[0].strip() not in variables
        ]
    own = [f"{name}='{_checked(name, value)}'" for name, value in sorted(variables.items())]
    text = "\n".join(["# dbmirror lab up wrote this: where the lab's secrets lie on this machine.", *own, *lines])
    write_below(where.folder, {where.environment_file.name: f"{text}\n".encode()})


def choose_ports(known: Mapping[str, str], forwards: tuple[int, ...], *, running: bool) -> dict[str, str]:
    """A port of 127.0.0.1 for JupyterLab and one for each forward, as variables of `.env`.

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


def _environment_lines(where: LabPlaces) -> list[str]:
    return read_below(where.folder, where.environment_file.name).decode("utf-8", "replace").splitlines()


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


def _private_folder(where: LabPlaces) -> None:
    where.private.mkdir(parents=True, exist_ok=True, mode=0o700)
    where.private.chmod(0o700)


def _give(path: Path, user: int) -> None:
    """Make `user` the owner, where that is not this user: compose mounts the file as it is."""
    if os.name == "posix" and os.geteuid() == 0 and path.stat().st_uid != user:
        os.chown(path, user, user)
