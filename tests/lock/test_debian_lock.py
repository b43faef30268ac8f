"""The lock of an image's Debian packages: what stays, what is chosen anew, and how its file is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from dbmirror.files import sha256_hex
from dbmirror.lock.debs import base_apt, own_sources
from dbmirror.lock.debs.base_apt import BaseApt, RApt
from dbmirror.lock.debs.lock_file import debian_lock_digest, read_debian_lock, write_debian_lock
from dbmirror.lock.debs.model import DebFile, DebianLock, DebianStep, LockedStep
from dbmirror.lock.errors import AptUnavailable, LockError
from dbmirror.lock.mirror_lock import MirrorLock, read_mirror_lock, write_mirror_lock
from dbmirror.mirror_folder.names import DEBIAN_LOCK
from dbmirror.progress import Observer
from tests.builders import a_base, a_lock
from tests.lock.conftest import Answer

SYSTEM = DebianStep(name="system", below=None, packages=("sudo", "python3.11"))
COMPILERS = DebianStep(name="compilers", below="system", packages=("build-essential",))
PACKAGES = DebianStep(name="packages", below="system", packages=("git",))


class Apt:
    """The apt of a base, and its archive on loopback."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.version = "1.0"
        self.asked: list[str] = []
        self.started = 0

    def __call__(self, _image: str, **_: object) -> Apt:
        self.started += 1
        return self

    def __enter__(self) -> Apt:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def candidates(self, packages: Sequence[str]) -> dict[str, str]:
        return dict.fromkeys(packages, self.version)

    def step(self, step: DebianStep, _preferences: str | None) -> tuple[DebFile, ...]:
        self.asked.append(f"choose {step.name}")
        return tuple(self.file(name) for name in step.packages)

    def take_as_installed(self, step: DebianStep, files: Sequence[DebFile]) -> None:
        self.asked.append(f"keep {step.name}")
        if any(f"={self.version}" not in file.package for file in files):
            raise AptUnavailable("Version '1.0' for 'sudo' was not found.")

    def file(self, name: str) -> DebFile:
        filename = f"{name}_{self.version}_amd64.deb"
        content = filename.encode()
        self.server.answers[f"/pool/{filename}"] = Answer(content=content)
        url = f"{self.server.address}/pool/{filename}"
        return DebFile(filename=filename, url=url, sha256=sha256_hex(content), size=len(content))


@pytest.fixture
def apt(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Apt:
    found = Apt(server)
    monkeypatch.setattr(base_apt, "OfflineApt", found)
    (tmp_path / "apt").mkdir()
    (tmp_path / "apt" / "sources.list").write_text(f"deb {server.address}/ stable main\n")
    monkeypatch.setattr(own_sources, "APT", tmp_path / "apt")
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "home"))
    return found


def lock_of(
    *steps: DebianStep, previous: DebianLock | None = None, observer: Observer | None = None, **more: Any
) -> DebianLock:
    base = more.pop("base", a_base(image_id="sha256:" + "1" * 64))
    with BaseApt(base, internal_hosts=frozenset(), ca_bundle=None, observer=observer or Observer(), **more) as chooser:
        return chooser.lock(steps, previous)


def packages(lock: DebianLock) -> set[str]:
    return {file.package for file in lock.files()}


def test_each_step_is_locked_with_all_that_it_installs(apt: Apt) -> None:
    made = lock_of(SYSTEM, PACKAGES)
    assert [(step.step, [file.package for file in step.files]) for step in made.steps] == [
        (SYSTEM, ["sudo:amd64=1.0", "python3.11:amd64=1.0"]),
        (PACKAGES, ["git:amd64=1.0"]),
    ]
    assert (made.base, made.image_id) == ("ubuntu:22.04", "sha256:" + "1" * 64)


def test_a_lock_of_the_same_packages_stays_and_apt_is_not_started(apt: Apt) -> None:
    first = lock_of(SYSTEM, PACKAGES)
    apt.started, apt.version = 0, "2.0"

    assert lock_of(SYSTEM, PACKAGES, previous=first) == first
    apt.server.answers.clear()
    assert lock_of(SYSTEM, PACKAGES, previous=first) == first, "nor is an archive asked for files that are here"

    assert apt.started == 0


def test_what_its_archive_no_longer_has_is_chosen_anew_and_that_is_said(apt: Apt) -> None:
    class Notes(Observer):
        def __init__(self) -> None:
            self.notes: list[str] = []

        def note(self, text: str) -> None:
            self.notes.append(text)

    first, notes = lock_of(SYSTEM), Notes()
    apt.version = "2.0"
    del apt.server.answers["/pool/sudo_1.0_amd64.deb"]

    second = lock_of(SYSTEM, previous=first, observer=notes)

    assert packages(second) == {"sudo:amd64=2.0", "python3.11:amd64=2.0"}
    assert notes.notes == ["Its archive no longer has sudo_1.0_amd64.deb: Debian packages are chosen anew."]


def test_what_its_archive_has_otherwise_by_now_is_chosen_anew(apt: Apt) -> None:
    first = lock_of(SYSTEM)
    apt.version = "2.0"
    apt.server.answers["/pool/sudo_1.0_amd64.deb"] = Answer(content=b"another file of this name")
    assert packages(lock_of(SYSTEM, previous=first)) == {"sudo:amd64=2.0", "python3.11:amd64=2.0"}


def test_steps_below_a_new_one_keep_their_packages_as_long_as_the_archives_have_them(apt: Apt) -> None:
    first = lock_of(SYSTEM, PACKAGES)
    apt.asked.clear()
    second = lock_of(SYSTEM, COMPILERS, PACKAGES, previous=first)
    assert apt.asked == ["keep system", "choose compilers", "keep packages"]
    assert (second.steps[0], second.steps[2]) == first.steps

    apt.asked.clear()
    apt.version = "2.0"
    third = lock_of(SYSTEM, COMPILERS, PACKAGES, previous=first)
    assert apt.asked == ["keep system", "choose system", "choose compilers", "choose packages"]
    assert {package.partition("=")[2] for package in packages(third)} == {"2.0"}


@pytest.mark.parametrize(
    "change",
    [
        {"base": a_base(reference="debian:12", image_id="sha256:" + "1" * 64)},
        {"base": a_base(image_id="sha256:" + "2" * 64)},
        {"r": RApt(preferences="Package: r-base\n")},
    ],
)
def test_another_base_or_another_r_has_packages_of_its_own(apt: Apt, change: dict[str, Any]) -> None:
    first = lock_of(SYSTEM)
    apt.asked.clear()
    lock_of(SYSTEM, previous=first, **change)
    assert apt.asked == ["choose system"]


def test_the_key_and_the_repository_of_r_are_given_to_apt_and_in_the_digest() -> None:
    own = RApt(preferences="Package: r-base\n")
    foreign = RApt(preferences="Package: r-base\n", sources="Types: deb\n", key="KEY")
    assert own.files() == {"r.preferences": b"Package: r-base\n"}
    assert foreign.files().keys() == {"r.preferences", "r.sources", "r.asc"}
    assert len({own.digest, foreign.digest, RApt(preferences="").digest}) == 3


def test_apt_is_started_once_and_for_no_name_that_is_none(apt: Apt) -> None:
    with BaseApt(a_base(), internal_hosts=frozenset(), ca_bundle=None) as chooser:
        assert chooser.candidates(["--option", "a b", "$(id)"]) == {}
        assert apt.started == 0
        assert chooser.candidates(["python3-gi", "$(id)"]) == {"python3-gi": "1.0"}
        assert chooser.candidates(["git"]) == {"git": "1.0"}
    assert apt.started == 1


def test_what_the_base_does_not_have_is_named_with_the_base_and_what_helps(
    apt: Apt, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(*_: object) -> None:
        raise AptUnavailable(
            f"apt cannot choose packages for a container of sha256:{'1' * 64}: Unable to locate package sudo."
        )

    monkeypatch.setattr(apt, "step", step)
    with pytest.raises(AptUnavailable, match=r"a container of ubuntu:22\.04: Unable to locate package sudo") as caught:
        lock_of(SYSTEM)
    assert "--base" in caught.value.remedy


def written(folder: Path) -> DebianLock:
    file = DebFile(filename="sudo_1_all.deb", url="http://archive.example/sudo_1_all.deb", sha256="a" * 64, size=1)
    steps = tuple(
        LockedStep(name=step.name, below=step.below, packages=step.packages, files=(file,))
        for step in (SYSTEM, PACKAGES)
    )
    lock = DebianLock(base="debian:bookworm", steps=steps)
    write_debian_lock(lock, folder)
    return lock


def test_the_file_is_read_back_and_has_the_digest(tmp_path: Path) -> None:
    lock = written(tmp_path)
    assert read_debian_lock(tmp_path, base="debian:bookworm") == lock
    assert debian_lock_digest(lock) == "sha256:" + sha256_hex((tmp_path / DEBIAN_LOCK).read_bytes())


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ('"schema": 1', '"schema": 2', "schema that this dbmirror does not read"),
        ('"schema": 1', '"schema": "x"', "not valid"),
        ('"sudo_1_all.deb"', '"../sudo_1_all.deb"', "not valid"),
        ('"sudo_1_all.deb"', '"sudo_1_all.deb\\u001b[2J"', "not valid"),
        ("http://archive.example", "ftp://archive.example", "not valid"),
        ("a" * 64, "a" * 63, "not valid"),
        ('"git"', '"git -o Dir::Etc=/"', "not valid"),
        ('"git"', '"--git"', "not valid"),
        ('"below": "system"', '"below": "packages"', "wrong place"),
        ('"below": "system"', '"below": "../x"', "not valid"),
        ('"name": "packages"', '"name": "system"', "wrong place"),
        ("debian:bookworm", "evil:latest", "is for the base evil:latest"),
    ],
)
def test_a_hostile_or_foreign_file_is_refused_with_the_command_that_mends_it(
    tmp_path: Path, before: str, after: str, reason: str
) -> None:
    written(tmp_path)
    path = tmp_path / DEBIAN_LOCK
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    with pytest.raises(LockError, match=reason) as caught:
        read_debian_lock(tmp_path, base="debian:bookworm")
    assert "dbmirror lock MIRROR" in caught.value.remedy


def test_a_folder_of_an_earlier_dbmirror_says_how_to_go_on(tmp_path: Path) -> None:
    write_mirror_lock(MirrorLock(python=a_lock()), tmp_path)
    (tmp_path / DEBIAN_LOCK).unlink()
    with pytest.raises(LockError, match=DEBIAN_LOCK) as caught:
        read_mirror_lock(tmp_path)
    assert "'dbmirror lock MIRROR'" in caught.value.remedy


def test_the_debian_packages_are_in_the_digest_of_the_lock() -> None:
    lock = MirrorLock(python=a_lock())
    other = MirrorLock(python=a_lock(), debian=structs.replace(lock.debian, base="debian:bookworm"))
    assert lock.digest != other.digest
