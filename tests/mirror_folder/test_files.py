"""One file below a mirror's folder: whole or not there, and never anything but a plain file."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from dbmirror.errors import UsageError
from dbmirror.mirror_folder.files import (
    is_file_below,
    is_folder_below,
    make_folder_below,
    read_below,
    remove_below,
    sha256_below,
    write_below,
)
from dbmirror.mirror_folder.opening import NotPlain
from dbmirror.mirror_folder.trees import files_below, remove_others_below


def test_a_file_that_does_not_change_keeps_its_inode_and_time(tmp_path: Path) -> None:
    assert write_below(tmp_path, {"deep/file": b"content"}) == ("deep/file",)
    before = (tmp_path / "deep" / "file").stat()
    assert write_below(tmp_path, {"deep/file": b"content"}) == ()
    after = (tmp_path / "deep" / "file").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_files_that_belong_together_change_together_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_below(tmp_path, {"first": b"1", "deep/second": b"1"})
    synced = iter([None, OSError(28, "No space left on device")])

    def full(descriptor: int) -> None:
        if error := next(synced):
            raise error

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="No space left"):
        write_below(tmp_path, {"first": b"2", "deep/second": b"2"})
    assert read_below(tmp_path, "first") == b"1"
    assert files_below(tmp_path) == ("deep/second", "first")


@pytest.mark.parametrize(
    ("code", "helps"),
    [
        (errno.ENOSPC, "Free some space"),
        (errno.EROFS, "'folder' in dbmirror.toml"),
        (errno.EACCES, "the right to write"),
    ],
)
def test_why_a_file_cannot_be_written_decides_what_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, helps: str
) -> None:
    def refused(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refused)
    with pytest.raises(UsageError, match=os.strerror(code)) as raised:
        write_below(tmp_path, {"file": b"new"})
    assert helps in raised.value.remedy
    assert "what was there before is unchanged" in raised.value.remedy


def test_an_interrupted_write_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_below(tmp_path, {"file": b"old"})

    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_below(tmp_path, {"file": b"new"})
    assert files_below(tmp_path) == ("file",)
    assert read_below(tmp_path, "file") == b"old"


def test_the_mode_is_the_one_asked_for(tmp_path: Path) -> None:
    write_below(tmp_path, {"secret": b""}, mode=0o600)
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["../file", "a/../../file", "/etc/passwd", "a//b", ".", "", "a/./b", "a\0b"])
def test_no_name_leads_upwards(tmp_path: Path, name: str) -> None:
    for act in (read_below, remove_below, is_file_below, sha256_below, make_folder_below):
        with pytest.raises(NotPlain):
            act(tmp_path, name)
    with pytest.raises(NotPlain):
        write_below(tmp_path, {name: b""})


def test_a_second_name_of_a_file_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("mine")
    (tmp_path / "mirror").mkdir()
    os.link(tmp_path / "elsewhere", tmp_path / "mirror" / "lock")
    write_below(tmp_path / "mirror", {"lock": b"new"})
    assert (tmp_path / "elsewhere").read_text() == "mine"


def test_a_fifo_or_device_is_named_and_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for act in (read_below, remove_below, is_file_below, sha256_below):
        with pytest.raises(NotPlain, match="a FIFO"):
            act(tmp_path, "fifo")
    with pytest.raises(NotPlain, match="a device"):
        read_below(Path("/dev"), "null")


def test_a_folder_stands_for_no_file_and_a_file_for_no_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(NotPlain, match="is a folder"):
        read_below(tmp_path, "folder")
    with pytest.raises(NotPlain, match="is a folder"):
        write_below(tmp_path, {"folder": b""})
    with pytest.raises(NotPlain, match="is a file"):
        write_below(tmp_path, {"file/below": b""})
    assert not remove_below(tmp_path, "folder")
    assert is_folder_below(tmp_path, "folder")
    assert is_file_below(tmp_path, "file")


def test_a_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_below(tmp_path, "file", largest=5) == b"12345"
    with pytest.raises(NotPlain, match="larger"):
        read_below(tmp_path, "file", largest=4)


def test_what_is_missing_is_missing(tmp_path: Path) -> None:
    assert not is_file_below(tmp_path / "none", "file")
    assert sha256_below(tmp_path, "none/file") is None
    assert not remove_below(tmp_path, "none/file")
    assert files_below(tmp_path, "none") == ()
    with pytest.raises(FileNotFoundError):
        read_below(tmp_path, "none/file")


def test_others_are_removed_and_the_named_ones_stay(tmp_path: Path) -> None:
    write_below(tmp_path, {"context/a": b"", "context/deep/b": b"", "beside": b""})
    assert remove_others_below(tmp_path, "context", {"a"}) == ("deep/b",)
    assert files_below(tmp_path) == ("beside", "context/a")


def test_a_hostile_name_does_not_reach_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "a\x1b[2Jb").symlink_to("/etc")
    with pytest.raises(NotPlain) as caught:
        files_below(tmp_path, "context")
    assert "\x1b" not in str(caught.value)
