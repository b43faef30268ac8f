"""Where a lab's parts lie on this machine, whose they are, its tokens and pins."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from dbmirror.folders import known_hosts_file
from dbmirror.hosts.host_key import HostKey
from dbmirror.hosts.known_hosts import KnownHosts
from dbmirror.lab.paths import LabPaths, lab_paths
from dbmirror.lab.pins import hand_jump_pins_to_tunnel, hand_pin_to_tunnel
from dbmirror.lab.tokens import ensure_token, write_workspace_token

CLUSTER = "0101-120000-abcdefgh"
OLD, NEW = (HostKey(kind="ssh-ed25519", blob=base64.b64decode("AAAA") + name) for name in (b"old", b"new"))


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabPaths:
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "state"))
    (tmp_path / "mirrors" / "demo").mkdir(parents=True)
    return lab_paths(tmp_path / "mirrors" / "demo")


def test_the_token_is_random_kept_and_for_its_user_alone(where: LabPaths) -> None:
    token = ensure_token(where, user=os.getuid())
    assert len(token) >= 32
    assert ensure_token(where, user=os.getuid()) == token
    assert where.token.stat().st_mode & 0o777 == 0o600
    assert where.private.stat().st_mode & 0o777 == 0o700


def test_secrets_lie_outside_the_mirrors_folder(where: LabPaths) -> None:
    assert not where.token.is_relative_to(where.folder)
    assert not where.workspace_token.is_relative_to(where.folder)


def test_two_checkouts_and_two_users_have_labs_of_their_own(
    where: LabPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = lab_paths(tmp_path / "elsewhere" / "demo")
    (tmp_path / "short").symlink_to(tmp_path / "mirrors")
    assert lab_paths(tmp_path / "short" / "demo") == where
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    others = lab_paths(where.folder)
    assert len({each.project.name for each in (where, elsewhere, others)}) == 3
    assert len({each.private for each in (where, elsewhere, others)}) == 3
    assert where.project.name == f"dbmirror-demo-{where.project.owner}"


def test_compose_is_told_of_nothing_that_lies_in_the_mirrors_folder(where: LabPaths) -> None:
    for file in (where.project.file, where.project.environment_file):
        assert not file.is_relative_to(where.folder)


def test_a_workspace_token_says_whether_it_is_new(where: LabPaths) -> None:
    assert write_workspace_token(where, "one", user=os.getuid())
    assert not write_workspace_token(where, "one", user=os.getuid())
    assert write_workspace_token(where, None, user=os.getuid())
    assert where.workspace_token.read_bytes() == b""


def test_the_workspace_token_is_for_the_labs_user_alone_in_a_folder_that_stays(where: LabPaths) -> None:
    user = 4321 if os.getuid() == 0 else os.getuid()
    write_workspace_token(where, "one", user=user)
    before = where.workspace.stat().st_ino
    write_workspace_token(where, "two", user=user)
    found = where.workspace_token.stat()
    assert (found.st_mode & 0o777, found.st_uid) == (0o600, user)
    assert where.workspace.stat().st_ino == before


def test_the_host_keys_of_jump_hosts_are_replaced_as_a_whole_and_the_drivers_stays(where: LabPaths) -> None:
    ensure_token(where, user=os.getuid())
    KnownHosts(known_hosts_file()).pin(CLUSTER, OLD)
    hand_pin_to_tunnel(where.folder, CLUSTER)
    hand_jump_pins_to_tunnel(where, [(OLD, NEW), (OLD,)])
    published = KnownHosts(where.pins / "known_hosts")
    assert (published.keys("jump-1"), published.keys("jump-2")) == ((OLD, NEW), (OLD,))
    hand_jump_pins_to_tunnel(where, [(NEW,)])
    assert [published.keys(name) for name in ("jump-1", "jump-2", CLUSTER)] == [(NEW,), (), (OLD,)]
    assert published.path.stat().st_mode & 0o777 == 0o644


def test_a_new_pin_takes_the_old_ones_place_and_is_readable_by_the_tunnel(where: LabPaths) -> None:
    ensure_token(where, user=os.getuid())
    known = KnownHosts(known_hosts_file())
    known.pin(CLUSTER, OLD)
    known.pin("0202-120000-another1", OLD)
    assert hand_pin_to_tunnel(where.folder, CLUSTER)
    known.repin(CLUSTER, NEW)
    assert hand_pin_to_tunnel(where.folder, CLUSTER)
    published = KnownHosts(where.pins / "known_hosts")
    assert published.keys(CLUSTER) == (NEW,)
    assert published.keys("0202-120000-another1") == ()
    assert published.path.stat().st_mode & 0o777 == 0o644


def test_a_pin_for_a_lab_that_was_never_prepared_writes_nothing(where: LabPaths) -> None:
    KnownHosts(known_hosts_file()).pin(CLUSTER, OLD)
    assert not hand_pin_to_tunnel(where.folder, CLUSTER)
    assert not where.private.exists()
