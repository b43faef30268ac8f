"""A committed lock accounts for just what the committed snapshot found, in both languages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dbmirror.config import Config, LoadedConfig
from dbmirror.inventory.layers import Layer
from dbmirror.inventory.model import Interpreter, Inventory, RPackage
from dbmirror.lock.errors import LockError
from dbmirror.lock.model import BaseImage, BaseKind, Fate, FateKind, Lock, Target
from dbmirror.lock.python.lock_files import write_lock
from dbmirror.lock.r.lock_files import write_r_lock
from dbmirror.lock.r.model import RLock
from dbmirror.pipeline.mirror import Mirror
from dbmirror.snapshot import Cluster, Snapshot, Taken, write_snapshot

LIBRARY = "/usr/local/lib/R/site-library"


@pytest.fixture
def snapshot() -> Snapshot:
    """Of a cluster with one R package."""
    inventory = Inventory(
        os_id="ubuntu",
        os_version="22.04",
        architecture="x86_64",
        glibc="2.35",
        python=Interpreter(path="/databricks/python3/bin/python", version="3.11.11"),
        r_version="4.3.2",
        r_packages=(RPackage(name="jsonlite", version="1.8.0", library=LIBRARY),),
    )
    return Snapshot(
        cluster=Cluster(cluster_id="1120-demo", cluster_name="demo", spark_version="15.4.x-scala2.12"),
        inventory=inventory,
        taken=Taken(at="2026-11-20T12:00:00Z", host="driver", dbmirror="0"),
    )


@pytest.fixture
def mirror(snapshot: Snapshot, tmp_path: Path) -> Mirror:
    folder = tmp_path / "mirrors" / "demo"
    write_snapshot(snapshot, folder / "snapshot.json")
    lock = Lock(
        snapshot=snapshot.digest,
        runtime="15.4",
        target=Target(python="3.11.11", architecture="x86_64", glibc="2.35"),
        base=BaseImage(reference="ubuntu:22.04", kind=BaseKind.BARE, os_id="ubuntu", os_version="22.04"),
        packages=(),
        fates=(),
    )
    write_lock(lock, folder)
    return Mirror("demo", LoadedConfig(config=Config(), origin=None, root=tmp_path))


@pytest.fixture
def r_lock(snapshot: Snapshot) -> RLock:
    fate = Fate(
        name="jsonlite",
        version="1.8.0",
        layer=Layer.RUNTIME,
        location=LIBRARY,
        kind=FateKind.EXCLUDED,
        reason="A rule.",
    )
    return RLock(snapshot=snapshot.digest, r_version="4.3.2", repositories=(), packages=(), fates=(fate,))


def test_a_lock_that_accounts_for_every_r_package_is_taken(mirror: Mirror, r_lock: RLock) -> None:
    write_r_lock(r_lock, mirror.folder)
    assert mirror.lock().r == r_lock


def test_a_lock_whose_r_half_was_taken_away_is_refused(mirror: Mirror) -> None:
    with pytest.raises(LockError, match=r"jsonlite 1\.8\.0"):
        mirror.lock()


@pytest.mark.parametrize("change", [{"version": "9.9.9"}, {"name": "other"}, {"location": "/elsewhere"}])
def test_a_fate_that_speaks_of_another_r_package_is_refused(
    mirror: Mirror, r_lock: RLock, change: dict[str, str]
) -> None:
    write_r_lock(replace(r_lock, fates=(replace(r_lock.fates[0], **change),)), mirror.folder)
    with pytest.raises(LockError, match=r"r-fates\.json"):
        mirror.lock()
