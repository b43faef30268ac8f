"""A mirror's folder in a project, and something outside that no command may touch."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbmirror.config import Config, LoadedConfig
from dbmirror.lock.mirror_lock import MirrorLock, write_mirror_lock
from dbmirror.lock.model import BaseKind
from dbmirror.pipeline.mirror import Mirror
from dbmirror.snapshot import write_snapshot
from tests.builders import a_base, a_lock, a_snapshot
from tests.supported import supported, with_debs


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of the user's beside the project."""
    folder = tmp_path / "outside"
    (folder / "deep").mkdir(parents=True)
    (folder / "thesis.txt").write_text("years of work")
    (folder / "deep" / "photo.jpg").write_text("irreplaceable")
    return folder


@pytest.fixture
def project(tmp_path: Path) -> LoadedConfig:
    """A project as it was cloned, with the mirror `demo` of a cluster without packages."""
    root = tmp_path / "project"
    folder = root / "mirrors" / "demo"
    snapshot = a_snapshot()
    write_snapshot(snapshot, folder / "snapshot.json")
    base = a_base(reference="databricksruntime/standard:15.4-LTS", kind=BaseKind.OFFICIAL)
    lock = a_lock(snapshot=snapshot.digest, base=base)
    write_mirror_lock(with_debs(MirrorLock(python=supported(lock))), folder)
    return LoadedConfig(config=Config(), origin=None, root=root)


@pytest.fixture
def folder(project: LoadedConfig) -> Path:
    """The mirror's folder."""
    return project.root / "mirrors" / "demo"


@pytest.fixture
def mirror(project: LoadedConfig) -> Mirror:
    return Mirror("demo", project)
