"""What lies in a mirror's folder goes into a build only as it was locked."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from dbmirror.lock.archives import read_archives
from dbmirror.lock.errors import LockError
from dbmirror.lock.mirror_lock import MirrorLock
from dbmirror.lock.model import CapturedWheel
from tests.builders import a_lock, a_locked_package

PATH = "wheels/acme-1.0-py3-none-any.whl"


@pytest.fixture
def lock(tmp_path: Path) -> MirrorLock:
    (tmp_path / "wheels").mkdir()
    (tmp_path / PATH).write_bytes(b"as it was captured")
    source = CapturedWheel(path=PATH, sha256=hashlib.sha256(b"as it was captured").hexdigest())
    return MirrorLock(python=a_lock(a_locked_package("acme", source=source)))


def test_an_archive_is_read_as_it_was_locked(lock: MirrorLock, tmp_path: Path) -> None:
    assert read_archives(lock, [PATH], folder=tmp_path, mirror="demo") == {PATH: b"as it was captured"}


@pytest.mark.parametrize("replaced", [b"as it was replaced", None])
def test_an_archive_that_was_replaced_or_is_gone_is_named(
    lock: MirrorLock, tmp_path: Path, replaced: bytes | None
) -> None:
    if replaced is None:
        (tmp_path / PATH).unlink()
    else:
        (tmp_path / PATH).write_bytes(replaced)

    with pytest.raises(LockError, match=r"acme-1\.0-py3-none-any\.whl is (another file|not there)") as caught:
        read_archives(lock, [PATH], folder=tmp_path, mirror="demo")
    assert "dbmirror lock demo" in caught.value.remedy


def test_an_archive_that_the_lock_does_not_know_is_not_read(lock: MirrorLock, tmp_path: Path) -> None:
    (tmp_path / "wheels" / "other.whl").write_bytes(b"other")
    with pytest.raises(LockError):
        read_archives(lock, ["wheels/other.whl"], folder=tmp_path, mirror="demo")
