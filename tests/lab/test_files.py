"""What a lab keeps on this machine: tokens, pins, ports and the .env that names them."""

from __future__ import annotations

import base64
import os
import socket
from pathlib import Path

import pytest

from dbmirror.folders import known_hosts_file
from dbmirror.hosts.known_hosts import HostKey, KnownHosts
from dbmirror.lab.files import (
    LabPlaces,
    PathRefused,
    choose_ports,
    ensure_token,
    lab_user,
    places,
    publish_jump_pins,
    publish_pin,
    read_environment,
    write_environment,
    write_workspace_token,
)

CLUSTER = "0101-120000-abcdefgh"
OLD, NEW = (HostKey(kind="ssh-ed25519", blob=base64.b64decode("AAAA") + name) for name in (b"old", b"new"))


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabPlaces:
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "state"))
    (tmp_path / "mirrors" / "demo").mkdir(parents=True)
    return places(tmp_path / "mirrors" / "demo")


def test_the_token_is_random_kept_and_for_its_user_alone(where: LabPlaces) -> None:
    token = ensure_token(where, user=os.getuid())
    assert len(token) >= 32
    assert ensure_token(where, user=os.getuid()) == token
    assert where.token.stat().st_mode & 0o777 == 0o600
    assert where.private.stat().st_mode & 0o777 == 0o700


def test_secrets_lie_outside_the_mirrors_folder(where: LabPlaces) -> None:
    assert not where.token.is_relative_to(where.folder)
    assert not where.workspace_token.is_relative_to(where.folder)


def test_two_mirrors_of_one_name_have_labs_of_their_own(where: LabPlaces, tmp_path: Path) -> None:
    assert places(tmp_path / "elsewhere" / "demo").private != where.private


def test_a_workspace_token_says_whether_it_is_new(where: LabPlaces) -> None:
    assert write_workspace_token(where, "one", user=os.getuid())
    assert not write_workspace_token(where, "one", user=os.getuid())
    assert write_workspace_token(where, None, user=os.getuid())
    assert where.workspace_token.read_bytes() == b""


def test_the_workspace_token_is_for_the_labs_user_alone_in_a_folder_that_stays(where: LabPlaces) -> None:
    user = 4321 if os.getuid() == 0 else os.getuid()
    write_workspace_token(where, "one", user=user)
    before = where.workspace.stat().st_ino
    write_workspace_token(where, "two", user=user)
    found = where.workspace_token.stat()
    assert (found.st_mode & 0o777, found.st_uid) == (0o600, user)
    assert where.workspace.stat().st_ino == before


def test_the_host_keys_of_jump_hosts_are_replaced_as_a_whole_and_the_drivers_stays(where: LabPlaces) -> None:
    ensure_token(where, user=os.getuid())
    KnownHosts(known_hosts_file()).pin(CLUSTER, OLD)
    publish_pin(where.folder, CLUSTER)
    publish_jump_pins(where, [(OLD, NEW), (OLD,)])
    published = KnownHosts(where.pins / "known_hosts")
    assert (published.keys("jump-1"), published.keys("jump-2")) == ((OLD, NEW), (OLD,))
    publish_jump_pins(where, [(NEW,)])
    assert [published.keys(name) for name in ("jump-1", "jump-2", CLUSTER)] == [(NEW,), (), (OLD,)]
    assert published.path.stat().st_mode & 0o777 == 0o644


def test_a_new_pin_takes_the_old_ones_place_and_is_readable_by_the_tunnel(where: LabPlaces) -> None:
    ensure_token(where, user=os.getuid())
    known = KnownHosts(known_hosts_file())
    known.pin(CLUSTER, OLD)
    known.pin("0202-120000-another1", OLD)
    assert publish_pin(where.folder, CLUSTER)
    known.repin(CLUSTER, NEW)
    assert publish_pin(where.folder, CLUSTER)
    published = KnownHosts(where.pins / "known_hosts")
    assert published.keys(CLUSTER) == (NEW,)
    assert published.keys("0202-120000-another1") == ()
    assert published.path.stat().st_mode & 0o777 == 0o644


def test_a_pin_for_a_lab_that_was_never_prepared_writes_nothing(where: LabPlaces) -> None:
    KnownHosts(known_hosts_file()).pin(CLUSTER, OLD)
    assert not publish_pin(where.folder, CLUSTER)
    assert not where.private.exists()


def test_the_environment_file_keeps_what_the_user_wrote(where: LabPlaces) -> None:
    where.environment_file.write_text("MINE=1\n# a remark\nDBMIRROR_LAB_PORT=9999\n")
    write_environment(where, {"DBMIRROR_LAB_PORT": "8888", "DBMIRROR_SSH_KEY": "/home/me and you/id $x"})
    write_environment(where, {"DBMIRROR_LAB_PORT": "8889", "DBMIRROR_SSH_KEY": "/home/me and you/id $x"})
    lines = where.environment_file.read_text().splitlines()
    assert lines.count("MINE=1") == lines.count("# a remark") == 1
    read = read_environment(where)
    assert read["DBMIRROR_LAB_PORT"] == "8889"
    assert read["DBMIRROR_SSH_KEY"] == "/home/me and you/id $x"


@pytest.mark.parametrize("value", ["a'b", "a\nB=c"])
def test_a_value_that_would_end_its_line_or_quotes_is_refused(where: LabPlaces, value: str) -> None:
    with pytest.raises(PathRefused, match="DBMIRROR_SSH_KEY"):
        write_environment(where, {"DBMIRROR_SSH_KEY": value})


def test_a_port_that_is_in_use_is_passed_over_and_a_running_labs_stays() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        chosen = choose_ports({"DBMIRROR_LAB_PORT": port}, (int(port),), running=False)
        assert port not in chosen.values()
        assert len(set(chosen.values())) == 2
        assert choose_ports({"DBMIRROR_LAB_PORT": port}, (), running=True) == {"DBMIRROR_LAB_PORT": port}


def test_the_notebooks_are_made_and_the_lab_runs_as_their_owner_but_never_as_root(where: LabPlaces) -> None:
    user = lab_user(where)
    assert where.notebooks.is_dir()
    assert user == where.notebooks.stat().st_uid != 0
