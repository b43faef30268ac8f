"""Where the parts of a lab lie on this machine."""

from __future__ import annotations

import getpass
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from dbmirror import folders
from dbmirror.engine.compose_project import ComposeProject
from dbmirror.files import write_atomically
from dbmirror.folders import state_folder
from dbmirror.mirror_folder.names import COMPOSE
from dbmirror.render.lab import OWNER_LABEL


@dataclass(frozen=True, slots=True, kw_only=True)
class LabPaths:
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


def lab_paths(folder: Path) -> LabPaths:
    """The paths of this user's lab of the mirror in `folder`."""
    folder = folder.resolve()
    user = os.geteuid() if os.name == "posix" else getpass.getuser()
    identity = hashlib.sha256(f"{user}:{folder}".encode()).hexdigest()[:12]
    return LabPaths(folder=folder, private=state_folder() / "lab" / f"{folder.name}-{identity}", identity=identity)


def make_private(where: LabPaths) -> None:
    """Make the folder that only this user can enter."""
    folders.make_private(where.private).chmod(0o700)


def write_compose_file(where: LabPaths, content: bytes) -> None:
    """Keep compose.yaml as it was rendered: the one in the mirror's folder may be edited, or come with a clone."""
    make_private(where)
    write_atomically(where.project.file, content)
