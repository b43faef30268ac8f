"""Where a lab's parts lie on this machine, and what lies there beside its committed files: tokens, pinned host keys."""

from __future__ import annotations

import getpass
import hashlib
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dbmirror.engine.compose_project import ComposeProject
from dbmirror.files import write_atomically
from dbmirror.folders import known_hosts_file, state_folder
from dbmirror.hosts.host_key import HostKey
from dbmirror.hosts.known_hosts import KnownHosts
from dbmirror.lab_containers.tunnel.settings import MOST_JUMPS
from dbmirror.mirror_folder.names import COMPOSE
from dbmirror.render.lab import OWNER_LABEL


@dataclass(frozen=True, slots=True, kw_only=True)
class LabPlaces:
    """Where the parts of one mirror's lab lie."""

    folder: Path
    """The mirror's folder, with compose.yaml."""
    private: Path
    """A folder of dbmirror's state that only this user can enter."""

    identity: str
    """Of this folder and this user: two checkouts have two labs, and so have two users of one checkout."""

    @property
    def project(self) -> ComposeProject:
        """The stack. Nothing of it is read from the mirror's folder, which a stranger may have filled."""
        return ComposeProject(
            name=f"dbmirror-{self.folder.name.replace('.', '-')}-{self.identity}",
            label=OWNER_LABEL,
            owner=self.identity,
            folder=self.folder,
            file=self.private / COMPOSE,
            environment_file=self.environment_file,
        )

    @property
    def environment_file(self) -> Path:
        """The variables of compose.yaml, which name files and hold no secret."""
        return self.private / "environment"

    @property
    def copy_for_compose(self) -> Path:
        """The same for plain `docker compose` in the mirror's folder. It is written, and never read."""
        return self.folder / ".env"

    @property
    def fetched(self) -> Path:
        """What the lab's images are built from, in folders by their group: links to files of the store."""
        return self.private / "fetched"

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
    """The places of this user's lab of the mirror in `folder`."""
    folder = folder.resolve()
    user = os.geteuid() if os.name == "posix" else getpass.getuser()
    identity = hashlib.sha256(f"{user}:{folder}".encode()).hexdigest()[:12]
    return LabPlaces(folder=folder, private=state_folder() / "lab" / f"{folder.name}-{identity}", identity=identity)


def write_compose_file(where: LabPlaces, content: bytes) -> None:
    """Keep compose.yaml as it was rendered: the one in the mirror's folder may be edited, or come with a clone."""
    make_private(where)
    write_atomically(where.project.file, content)


def ensure_token(where: LabPlaces, *, user: int) -> str:
    """JupyterLab's token: the one that is there, else a new random one, in a file for `user` alone."""
    make_private(where)
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
    make_private(where)
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


def make_private(where: LabPlaces) -> None:
    """Make the folder that only this user can enter."""
    where.private.mkdir(parents=True, exist_ok=True, mode=0o700)
    where.private.chmod(0o700)


def _give(path: Path, user: int) -> None:
    """Make `user` the owner, where that is not this user: compose mounts the file as it is."""
    if os.name == "posix" and os.geteuid() == 0 and path.stat().st_uid != user:
        os.chown(path, user, user)
