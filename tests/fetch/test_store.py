"""The store has whole files or none, whoever else uses it and however a run ends."""

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dbmirror.fetch.errors import StoreError
from dbmirror.fetch.store import Store


def put(store: Store, content: bytes) -> str:
    return store.put(lambda take: take(content))[1]


def test_what_was_put_has_its_hash_as_name_and_keeps_its_time(store: Store, tmp_path: Path) -> None:
    def in_pieces(take: Callable[[bytes], None]) -> None:
        take(b"con")
        take(b"tent")

    path, sha256, size = store.put(in_pieces)

    assert (sha256, size) == (hashlib.sha256(b"content").hexdigest(), 7)
    assert path.read_bytes() == b"content"
    store.place(sha256, tmp_path / "context" / "a.whl")
    assert (tmp_path / "context" / "a.whl").stat().st_ino == path.stat().st_ino
    assert path.stat().st_mtime_ns == int(sha256[:7], 16) * 10**9


def test_a_damaged_file_is_not_given_out(store: Store) -> None:
    path, sha256, _ = store.put(lambda take: take(b"content"))
    path.chmod(0o644)
    path.write_bytes(b"consent")

    assert store.path(sha256) is None
    assert not path.exists()


def test_a_hash_that_is_none_leads_nowhere(store: Store) -> None:
    with pytest.raises(StoreError, match="not a SHA-256"):
        store.path("../" + "0" * 61)


def test_what_breaks_off_leaves_nothing(store: Store) -> None:
    def half(take: object) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        store.put(half)
    assert not [path for path in store.folder.rglob("*") if path.is_file() and path.name != "lock"]


def test_a_killed_run_leaves_no_half_file(tmp_path: Path) -> None:
    program = """if True:
        import sys
        from pathlib import Path
        from dbmirror.fetch.store import Store
        def half(take):
            take(b"x" * 1_000_000)
            print("half", flush=True)
            sys.stdin.read()
        with Store(Path(sys.argv[1])) as store:
            store.put(half)
    """
    folder = tmp_path / "files"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        with Store(folder):
            pass
        assert list((folder / "incoming").iterdir()), "a run at work loses nothing to another that leaves"
        child.send_signal(signal.SIGKILL)
    with Store(folder):
        pass

    assert list((folder / "incoming").iterdir()) == []
    assert list((folder / "sha256").rglob("*")) == []


def test_the_least_recently_used_go_when_the_limit_is_reached(tmp_path: Path) -> None:
    with Store(tmp_path / "files", limit=250) as store:
        hashes = [put(store, bytes([number]) * 100) for number in range(3)]
        for number, sha256 in enumerate(hashes):
            os.utime(store.path(sha256) or "", ns=(number, 0))
        store.path(hashes[0])
        assert all(store.path(sha256) for sha256 in hashes[::2]), "nothing goes while the store is in use"
        os.utime(tmp_path / "files" / "sha256" / hashes[1][:2] / hashes[1], ns=(1, 0))

    with Store(tmp_path / "files", limit=250) as store:
        assert [store.path(sha256) is not None for sha256 in hashes] == [True, False, True]


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "files").write_text("a file")
    with pytest.raises(StoreError, match="cannot be used"), Store(tmp_path / "files"):
        pass
