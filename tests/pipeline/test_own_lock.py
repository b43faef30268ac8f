"""A cloned repository whose lock names the packages that a lab would run with the user's login."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dbmirror.build.image import Built, write_built
from dbmirror.clones import own_records
from dbmirror.clones.agreements import Claim, NotAgreed
from dbmirror.config import Config, LoadedConfig, MirrorConfig
from dbmirror.lock.mirror_lock import MirrorLock, write_mirror_lock
from dbmirror.lock.model import Lock
from dbmirror.pipeline import foundations, snapshot_stage, stages
from dbmirror.pipeline.cluster_access import Questions
from dbmirror.pipeline.mirror import Choices, Mirror
from dbmirror.snapshot import write_snapshot
from tests.builders import a_base, a_lock, a_snapshot
from tests.supported import supported

IMAGE = f"sha256:{'d' * 64}"
BASE = "databricksruntime/python:15.4-LTS"


class Started(Exception):
    """The lab would start now, with the login."""


@dataclass
class Terminal:
    """Somebody who says yes, and what was asked."""

    asked: list[str] = field(default_factory=list)

    def __call__(self, claim: Claim) -> bool:
        self.asked.append(claim.text)
        return True


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with the image of every lock, whose searches find the packages of `a_lock`."""
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "state"))
    elsewhere(monkeypatch)

    def image(_: str) -> SimpleNamespace:
        return SimpleNamespace(image_id=IMAGE)

    monkeypatch.setattr(foundations, "inspect_image", image)
    monkeypatch.setattr("dbmirror.engine.images.inspect_image", image)

    def start(*_: Any, **__: Any) -> None:
        raise Started

    monkeypatch.setattr(stages, "make_lab_lock", lambda *_: None)
    monkeypatch.setattr(stages, "render_lab", lambda *_: None)
    monkeypatch.setattr(stages, "start_stack", start)
    monkeypatch.setattr(snapshot_stage, "read_cluster", lambda _: a_snapshot())
    monkeypatch.setattr(stages, "read_base", lambda reference, **_: (a_base(reference=reference), None))
    monkeypatch.setattr(stages, "lock_mirror", lambda *_, **__: MirrorLock(python=chosen()))
    monkeypatch.setattr(stages, "lock_support", lambda lock, *_, **__: lock)
    monkeypatch.setattr(stages, "debian_steps_of", lambda *_: ())


def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows happens in another process of dbmirror."""
    monkeypatch.setattr(own_records, "_of_this_run", set())


def chosen(**changes: Any) -> Lock:
    return supported(a_lock(snapshot=a_snapshot().digest, base=a_base(reference=BASE), **changes))


def repository(place: Path, **choices: Any) -> Mirror:
    loaded = LoadedConfig(config=Config(mirrors={"demo": MirrorConfig(base=BASE)}), origin=None, root=place)
    answers, dry_run = choices.pop("answers", None), choices.pop("dry_run", False)
    return Mirror(
        "demo",
        loaded,
        choices=Choices(**choices),
        questions=Questions(claim=answers) if answers else Questions(),
        dry_run=dry_run,
    )


def cloned(place: Path, **choices: Any) -> Mirror:
    """A clone with a snapshot and a lock that a stranger committed."""
    mirror = repository(place, **choices)
    if not mirror.folder.exists():
        write_snapshot(a_snapshot(), mirror.folder / "snapshot.json")
        write_mirror_lock(MirrorLock(python=chosen()), mirror.folder)
    return mirror


def start(mirror: Mirror) -> None:
    """`lab up`, with an image that this machine built from the lock."""
    lock = mirror.lock()
    built = Built(image_id=IMAGE, tags=(mirror.tag(lock),), snapshot=lock.snapshot, lock=lock.digest)
    write_built(built, mirror.folder / "build.json")
    stages.start_lab(mirror, lock)


def test_a_lab_of_a_lock_that_came_with_the_repository_is_asked_for(tmp_path: Path) -> None:
    mirror = cloned(tmp_path / "clone")
    digest = mirror.lock().digest
    with pytest.raises(NotAgreed, match="the login of the profile 'demo'") as refused:
        start(mirror)
    assert str(tmp_path / "clone/mirrors/demo/pylock.toml") in refused.value.message
    assert f"--trust {digest}' or set DBMIRROR_TRUST={digest}" in refused.value.remedy
    assert "'dbmirror build demo --refresh'" in refused.value.remedy


@pytest.mark.parametrize("yes", ["asked", "named"])
def test_a_yes_holds_for_this_lock_in_this_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, yes: str) -> None:
    asked = Terminal()
    mirror = cloned(tmp_path / "clone", answers=asked)
    with pytest.raises(Started):
        start(mirror if yes == "asked" else cloned(tmp_path / "clone", trusted=(mirror.lock().digest,)))
    assert len(asked.asked) == (yes == "asked")
    elsewhere(monkeypatch)
    with pytest.raises(Started):
        start(cloned(tmp_path / "clone"))
    with pytest.raises(NotAgreed):
        start(cloned(tmp_path / "second"))
    write_mirror_lock(MirrorLock(python=chosen(indexes=("https://evil.example/simple/",))), mirror.folder)
    with pytest.raises(NotAgreed):
        start(cloned(tmp_path / "clone"))


@pytest.mark.parametrize("trusted", ["demo", "pylock.toml", f"sha256:{'0' * 64}", "", "sha256:", BASE])
def test_nothing_else_that_the_user_names_is_the_lock(tmp_path: Path, trusted: str) -> None:
    with pytest.raises(NotAgreed):
        start(cloned(tmp_path / "clone", trusted=(trusted,)))


def test_the_lab_of_ones_own_lock_is_no_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for refresh in (False, False, True):
        mirror = repository(tmp_path / "mine", refresh=refresh)
        stages.make_lock(mirror, snapshot_stage.take_snapshot(mirror))
        elsewhere(monkeypatch)
        with pytest.raises(Started):
            start(repository(tmp_path / "mine"))


def test_a_lock_that_takes_over_what_a_stranger_chose_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = cloned(tmp_path / "clone")
    stages.make_lock(mirror, snapshot_stage.take_snapshot(mirror))
    with pytest.raises(NotAgreed):
        start(mirror)
    anew = cloned(tmp_path / "clone", refresh=True)
    stages.make_lock(anew, snapshot_stage.take_snapshot(anew))
    elsewhere(monkeypatch)
    with pytest.raises(Started):
        start(cloned(tmp_path / "clone"))


def test_a_lock_that_was_agreed_to_can_be_built_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Started):
        start(cloned(tmp_path / "clone", answers=Terminal()))
    monkeypatch.setattr(
        stages, "lock_mirror", lambda *_, **__: MirrorLock(python=chosen(indexes=("https://mine.example/simple/",)))
    )
    mirror = cloned(tmp_path / "clone")
    stages.make_lock(mirror, snapshot_stage.take_snapshot(mirror))
    with pytest.raises(Started):
        start(mirror)


def test_a_lock_of_a_strangers_snapshot_is_not_ours(tmp_path: Path) -> None:
    mirror = cloned(tmp_path / "clone", refresh=True)
    stages.make_lock(mirror, mirror.snapshot())
    with pytest.raises(NotAgreed):
        start(mirror)


def test_a_dry_run_makes_nothing_ours(tmp_path: Path) -> None:
    mirror = cloned(tmp_path / "clone", refresh=True, dry_run=True)
    stages.make_lock(mirror, snapshot_stage.take_snapshot(mirror))
    with pytest.raises(NotAgreed):
        start(cloned(tmp_path / "clone"))
