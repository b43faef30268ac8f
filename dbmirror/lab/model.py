"""A mirror's lab as plain values: where it lies, how it is configured, and what its start needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dbmirror.config import LabConfig, SshConfig
from dbmirror.lock.python.index_settings import IndexSettings
from dbmirror.progress import SILENT, Observer

if TYPE_CHECKING:
    from dbmirror.workspace.client import WorkspaceClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """One mirror's lab. Enough for its state and its end; a start needs Supplies, too."""

    mirror: str
    folder: Path
    """The mirror's folder, with compose.yaml."""
    ssh: SshConfig = SshConfig()  # noqa: RUF009 - frozen
    """How the driver is reached."""
    settings: LabConfig = LabConfig()  # noqa: RUF009 - frozen
    observer: Observer = SILENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplies:
    """What a lab is started with, beside its files."""

    cluster: str
    """The id of the mirrored cluster."""
    profile: str
    """The Databricks profile that the cluster is read with."""
    workspace: Callable[[], WorkspaceClient]
    """Logs in to the workspace. Raises DbmirrorError."""
    ssh_host: str | None = None
    """The host of the user's ssh config that leads to the cluster, where the mirror's section names none."""
    meet_driver: Callable[[], object]
    """Connects to the driver, which pins its host key at first contact, and a new one that the workspace vouches for.
    Raises DbmirrorError."""
    driver_started_anew: Callable[[], bool]
    """Whether the workspace states a start of the cluster since its driver's key was pinned. Raises DbmirrorError."""
    indexes: IndexSettings
    """Where the lab's images fetch packages."""
    ca_bundle: Path | None
    """The certificate authorities to trust, where something names them."""
