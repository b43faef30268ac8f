"""Whose word counts in a lab's lock: wheels by dbmirror's own hashes, Debian packages where this machine chose them."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import structs

from dbmirror.lock.lab import LabLock, read_lab_lock, write_lab_lock
from dbmirror.lock.model import BaseImage, BaseKind, Target
from dbmirror.pipeline import lab_lock
from dbmirror.pipeline.lab_lock import known_lab_lock, make_lab_lock
from dbmirror.progress import SILENT
from tests.builders import a_lab_lock

MADE = a_lab_lock()
assert MADE.debs is not None
TARGET = Target(python="3.11.11", architecture="x86_64", glibc="2.35")
BASE = BaseImage(reference=MADE.debs.base, kind=BaseKind.BARE, os_id="debian", os_version="12")
LOCK: Any = SimpleNamespace(runtime="15.4", python=SimpleNamespace(target=TARGET, base=BASE))


class Machine:
    """A machine with the mirror's image, on which debs are chosen once for each time that it is asked."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.chosen = 0
        self.images = {"image": "sha256:1", "base": "sha256:2"}
        indexes = SimpleNamespace(urls=("https://index.example/simple/",))
        self.mirror: Any = SimpleNamespace(
            folder=folder,
            observer=SILENT,
            ca_bundle=None,
            indexes=indexes,
            tag=lambda _: MADE.debs.image if MADE.debs else "",
            built=lambda: SimpleNamespace(image_id=self.images["image"]),
        )
        requirements = {group: f"{group}==1.0 --hash=sha256:{file.sha256}\n" for group, (file,) in MADE.wheels.items()}
        monkeypatch.setattr(lab_lock, "lab_requirements", lambda _: requirements)
        monkeypatch.setattr(lab_lock, "lab_packages", lambda _: MADE.debs.wanted if MADE.debs else {})
        monkeypatch.setattr(lab_lock, "ensure_image", lambda *_, **__: SimpleNamespace(image_id=self.images["base"]))
        monkeypatch.setattr(lab_lock, "Index", lambda *_, **__: nullcontext())
        monkeypatch.setattr(lab_lock, "lock_lab", lambda *_, **__: structs.replace(MADE, debs=None))
        monkeypatch.setattr(lab_lock, "_choose_debs", self.choose)

    def choose(self, *_: object) -> object:
        self.chosen += 1
        return MADE.debs

    def lock(self) -> LabLock:
        return make_lab_lock(self.mirror, LOCK)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "home"))
    return Machine(tmp_path / "demo", monkeypatch)


def test_a_lock_that_this_machine_made_is_taken_over(here: Machine) -> None:
    first = here.lock()
    assert read_lab_lock(here.mirror.folder) == first == here.lock() == MADE
    assert here.chosen == 1


def test_debian_packages_of_a_lock_that_came_with_the_repository_are_not_taken(here: Machine) -> None:
    assert MADE.debs is not None
    (evil,) = MADE.debs.files["debian-tunnel"]
    files = {**MADE.debs.files, "debian-tunnel": (structs.replace(evil, sha256="e" * 64),)}
    planted = structs.replace(MADE, debs=structs.replace(MADE.debs, files=files))
    write_lab_lock(planted, here.mirror.folder)

    assert here.lock() == MADE
    assert read_lab_lock(here.mirror.folder) == MADE
    write_lab_lock(planted, here.mirror.folder)
    assert here.lock() == MADE
    assert here.chosen == 2


@pytest.mark.parametrize("which", ["image", "base"])
def test_debian_packages_are_chosen_for_the_very_images_that_are_there(here: Machine, which: str) -> None:
    here.lock()
    here.images[which] = "sha256:3"
    here.lock()
    assert here.chosen == 2


def test_only_files_of_the_users_own_indexes_are_taken_over_and_debian_packages_stay(here: Machine) -> None:
    here.lock()
    here.mirror.indexes.urls = ("https://another.example/simple/",)
    here.lock()
    assert here.chosen == 1


def test_what_is_rendered_is_a_lock_of_this_very_mirror_whoever_made_it(here: Machine) -> None:
    assert known_lab_lock(here.mirror, LOCK) is None
    write_lab_lock(MADE, here.mirror.folder)
    assert known_lab_lock(here.mirror, LOCK) == MADE
    here.mirror.tag = lambda _: "dbmirror/demo:another"
    assert known_lab_lock(here.mirror, LOCK) is None
    write_lab_lock(structs.replace(MADE, debs=None), here.mirror.folder)
    assert known_lab_lock(here.mirror, LOCK) is None
