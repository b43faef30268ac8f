"""A mirror's folder in a project, and something outside that no command may touch."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbmirror.config import Config, LoadedConfig
from dbmirror.inventory.model import Interpreter, Inventory
from dbmirror.lock.model import BaseImage, BaseKind, Lock, Target
from dbmirror.lock.python.lock_files import write_lock
from dbmirror.pipeline.mirror import Mirror
from dbmirror.snapshot import Cluster, Snapshot, Taken, write_snapshot
from tests.supported import supported


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
    inventory = Inventory(
        os_id="ubuntu",
        os_version="22.04",
        architecture="x86_64",
        glibc="2.35",
        python=Interpreter(path="/databricks/python3/bin/python", version="3.11.11"),
    )
    snapshot = Snapshot(
        cluster=Cluster(cluster_id="1120-demo", cluster_name="demo", spark_version="15.4.x-scala2.12"),
        inventory=inventory,
        taken=Taken(at="2026-11-20T12:00:00Z", host="driver", dbmirror="0"),
    )
    write_snapshot(snapshot, folder / "snapshot.json")
    lock = Lock(
        snapshot=snapshot.digest,
        runtime="15.4",
        target=Target(python="3.11.11", architecture="x86_64", glibc="2.35"),
        base=BaseImage(
            reference="databricksruntime/standard:15.4-LTS", kind=BaseKind.OFFICIAL, os_id="ubuntu", os_version="22.04"
        ),
        packages=(),
        fates=(),
    )
    write_lock(supported(lock), folder)
    return LoadedConfig(config=Config(), origin=None, root=root)


@pytest.fixture
def folder(project: LoadedConfig) -> Path:
    """The mirror's folder."""
    return project.root / "mirrors" / "demo"


@pytest.fixture
def mirror(project: LoadedConfig) -> Mirror:
    return Mirror("demo", project)
