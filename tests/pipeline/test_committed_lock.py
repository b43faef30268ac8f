"""A committed lock accounts for just what the committed snapshot found, in both languages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dbmirror.config import Config, LoadedConfig
from dbmirror.lock.errors import LockError
from dbmirror.lock.fates import FateKind
from dbmirror.lock.mirror_lock import MirrorLock, write_mirror_lock
from dbmirror.lock.r.lock_files import write_r_lock
from dbmirror.lock.r.model import RLock
from dbmirror.pipeline.mirror import Mirror
from dbmirror.snapshot import Snapshot, write_snapshot
from tests.builders import a_lock, a_snapshot, an_r_fate, an_r_package

LIBRARY = "/usr/local/lib/R/site-library"


@pytest.fixture
def snapshot() -> Snapshot:
    """Of a cluster with one R package."""
    return a_snapshot(r_version="4.3.2", r_packages=(an_r_package("jsonlite", "1.8.0", LIBRARY),))


@pytest.fixture
def mirror(snapshot: Snapshot, tmp_path: Path) -> Mirror:
    folder = tmp_path / "mirrors" / "demo"
    write_snapshot(snapshot, folder / "snapshot.json")
    write_mirror_lock(MirrorLock(python=a_lock(snapshot=snapshot.digest)), folder)
    return Mirror("demo", LoadedConfig(config=Config(), origin=None, root=tmp_path))


@pytest.fixture
def r_lock(snapshot: Snapshot) -> RLock:
    fate = an_r_fate("jsonlite", "1.8.0", FateKind.EXCLUDED, LIBRARY)
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
