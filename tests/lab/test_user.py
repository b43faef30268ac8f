"""Which user the lab's containers run as."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from dbmirror.lab import user as user_module
from dbmirror.lab.paths import LabPaths, lab_paths
from dbmirror.lab.user import FIRST_UNUSED, LAB_USER, lab_user, unused_user


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabPaths:
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "state"))
    (tmp_path / "mirrors" / "demo").mkdir(parents=True)
    return lab_paths(tmp_path / "mirrors" / "demo")


def test_the_lab_runs_as_its_caller_whoever_owns_the_notebooks(
    where: LabPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    assert lab_user(where) == 4321
    assert where.notebooks.is_dir()


def test_roots_lab_runs_as_nobody_who_can_log_in_and_is_given_what_is_roots(
    where: LabPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    given: list[tuple[object, ...]] = []
    monkeypatch.setattr(user_module, "give_below", lambda *words: given.append(words))
    user = lab_user(where)
    assert user == unused_user() >= FIRST_UNUSED
    assert user not in {account.pw_uid for account in pwd.getpwall()}
    assert given == [(where.folder, "notebooks", user)]
    assert lab_user(where, engine_maps_users=True) == LAB_USER


def test_a_uid_that_somebodys_containers_may_use_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    granted = tmp_path / "subuid"
    granted.write_text(f"alice:100000:65536\nbob:{FIRST_UNUSED}:10\ngarbage\n")
    ranges = user_module._ranges(granted)
    assert [(each.start, each.stop) for each in ranges] == [(100000, 165536), (FIRST_UNUSED, FIRST_UNUSED + 10)]
    monkeypatch.setattr(user_module, "_ranges", lambda _: ranges)
    assert unused_user() == FIRST_UNUSED + 10


def test_a_uid_with_an_account_or_a_group_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_module, "_ranges", lambda _: [])
    monkeypatch.setattr(user_module, "FIRST_UNUSED", 0)
    assert unused_user() not in {account.pw_uid for account in pwd.getpwall()}
