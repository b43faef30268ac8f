"""Both halves of a lock as one value, whose digest is computed once."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbmirror.files import sha256_hex
from dbmirror.lock.fates import FateKind
from dbmirror.lock.mirror_lock import MirrorLock, read_mirror_lock, write_mirror_lock
from dbmirror.lock.python import pylock
from dbmirror.lock.r.model import RLock
from dbmirror.mirror_folder.names import DEBIAN_LOCK, PYLOCK, RENV_LOCK
from tests.builders import SNAPSHOT_DIGEST, a_fate, a_lock, a_locked_package, an_r_fate


def a_mirror_lock(name: str) -> MirrorLock:
    fates = (an_r_fate("DBI", kind=FateKind.EXCLUDED),)
    r = RLock(
        snapshot=SNAPSHOT_DIGEST,
        r_version="4.4.2",
        repositories=(),
        packages=(),
        fates=fates,
    )
    return MirrorLock(python=a_lock(a_locked_package(name), fates=(a_fate(name),)), r=r)


def test_a_lock_is_encoded_once_for_its_file_and_every_look_at_its_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = []
    real = pylock._pylock
    monkeypatch.setattr(pylock, "_pylock", lambda *arguments: encoded.append(arguments) or real(*arguments))
    lock = a_mirror_lock("encoded-once")

    write_mirror_lock(lock, tmp_path)

    assert lock.digest == lock.digest == read_mirror_lock(tmp_path).digest
    assert len(encoded) == 1


def test_the_digest_is_that_of_all_files(tmp_path: Path) -> None:
    lock = a_mirror_lock("both-files")
    write_mirror_lock(lock, tmp_path)

    halves = (f"sha256:{sha256_hex((tmp_path / name).read_bytes())}" for name in (PYLOCK, DEBIAN_LOCK, RENV_LOCK))
    assert lock.digest == "sha256:" + sha256_hex(" ".join(halves).encode())
