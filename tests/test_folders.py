"""What dbmirror keeps of its own on this machine: no other account writes there, whatever the umask."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbmirror.clones.own_records import Kind, remember
from dbmirror.fetch.store import Store
from dbmirror.folders import known_hosts_file
from dbmirror.hosts.host_key import HostKey
from dbmirror.hosts.known_hosts import KnownHosts
from dbmirror.lab.paths import lab_paths, write_compose_file
from dbmirror.processes.temporary import temporary_folder


@pytest.fixture
def open_umask() -> Iterator[None]:
    """As where a shared group may write whatever its members make."""
    before = os.umask(0)
    yield
    os.umask(before)


def pin() -> None:
    KnownHosts(known_hosts_file()).pin("0101-120000-abcdefgh", HostKey(kind="ssh-ed25519", blob=b"key"))


def store() -> None:
    with Store():
        pass


def lab() -> None:
    write_compose_file(lab_paths(Path("/mirrors/demo")), b"services: {}\n")


def work() -> None:
    with temporary_folder("test"):
        pass


@pytest.mark.parametrize("first", [pin, store, work, lab, lambda: remember(Kind.AGREEMENT, b"yes")])
@pytest.mark.usefixtures("open_umask")
def test_a_neighbour_replaces_no_record_key_or_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: object
) -> None:
    home = tmp_path / "not there yet" / "dbmirror"
    monkeypatch.setenv("DBMIRROR_HOME", str(home))
    assert callable(first)
    first()
    for step in (pin, store, work, lab, lambda: remember(Kind.AGREEMENT, b"yes")):
        step()
    folders = [home.parent, home, *(path for path in home.rglob("*") if path.is_dir())]
    assert len(folders) > 6
    assert {oct(folder.stat().st_mode & 0o777) for folder in folders} == {"0o700"}
