"""Files are whole or not there."""

import os
from pathlib import Path

import pytest

from dbmirror.errors import UsageError
from dbmirror.files import canonical_json, digest_of, write_atomically, write_together


def test_a_file_that_does_not_change_keeps_its_inode_and_time(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    assert write_atomically(path, b"content")
    before = path.stat()
    assert not write_atomically(path, b"content")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_changed_file_is_replaced_whole_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    assert write_atomically(path, b"new", mode=0o600)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_without_an_end_is_replaced_and_not_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert write_atomically(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_write_that_is_interrupted_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_is_an_error_that_says_the_old_file_is_unchanged() -> None:
    with pytest.raises(UsageError) as caught:
        write_atomically(Path("/dev/full/file"), b"content")
    assert "cannot be written" in caught.value.message
    assert "unchanged" in caught.value.remedy


def test_json_is_the_same_for_equal_values_whatever_their_order() -> None:
    assert canonical_json({"b": 1, "a": (1, 2)}) == canonical_json({"a": [1, 2], "b": 1})
    assert digest_of({"b": 1, "a": 2}) == digest_of({"a": 2, "b": 1})
    assert digest_of({"a": 1}) != digest_of({"a": 2})


def test_files_that_belong_together_change_together_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    write_together({first: b"1", second: b"1"})
    synced = []

    def full(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="second cannot be written: No space left"):
        write_together({first: b"2", second: b"2"})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"first": b"1", "second": b"1"}
