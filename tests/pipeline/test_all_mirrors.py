"""All mirrors of a file: their files side by side, each with progress, questions and failures of its own."""

from __future__ import annotations

import threading
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from dbmirror.build.bake_images import RenderedMirror
from dbmirror.config import Config, ConfigError, LoadedConfig, MirrorConfig
from dbmirror.engine.failures import BuildFailed
from dbmirror.fetch.errors import FetchError
from dbmirror.hosts.host_key import Fingerprint
from dbmirror.lock.mirror_lock import MirrorLock, write_mirror_lock
from dbmirror.pipeline import all_mirrors, snapshot_stage, stages
from dbmirror.pipeline.all_mirrors import AllMirrors
from dbmirror.pipeline.cluster_access import Questions
from dbmirror.pipeline.line import Failed, Prepared, Wanted
from dbmirror.pipeline.mirror import Mirror
from dbmirror.progress import Observer
from dbmirror.snapshot import Snapshot, write_snapshot
from tests.builders import a_base, a_cluster, a_lock, a_snapshot
from tests.supported import supported, with_debs

NAMES = ("one", "three", "two")


class Recorder(Observer):
    def __init__(self) -> None:
        self.calls: list[str] = []

    def started(self, stage: str, *, total: int | None = None) -> None:
        self.calls.append(f"{stage}: started")

    def note(self, text: str) -> None:
        self.calls.append(text)


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedConfig:
    """A configuration of three mirrors, of which the last has no files."""
    for name in NAMES[:2]:
        commit(tmp_path / "mirrors" / name, name)
    return LoadedConfig(
        config=Config(mirrors={name: MirrorConfig() for name in reversed(NAMES)}), origin=None, root=tmp_path
    )


def commit(folder: Path, name: str) -> None:
    """The files of a mirror of a cluster with no packages at all."""
    snapshot = a_snapshot(cluster=a_cluster(cluster_id=name, cluster_name=name))
    write_snapshot(snapshot, folder / "snapshot.json")
    base = a_base(reference="databricksruntime/python:15.4-LTS")
    write_mirror_lock(with_debs(MirrorLock(python=supported(a_lock(snapshot=snapshot.digest, base=base)))), folder)


def test_a_file_without_mirrors_is_an_error_that_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[mirrors.NAME\]"):
        AllMirrors(LoadedConfig(config=Config(), origin=None, root=tmp_path))


@pytest.fixture
def no_bake(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The mirrors that are to be baked: no image is built here."""
    asked: list[str] = []

    def bake(_: Path, mirrors: list[RenderedMirror], **__: object) -> dict[str, BuildFailed]:
        asked.extend(mirror.mirror for mirror in mirrors)
        return {mirror.mirror: BuildFailed("No engine.", step="", log=()) for mirror in mirrors}

    monkeypatch.setattr(all_mirrors, "bake_images", bake)
    monkeypatch.setattr(all_mirrors, "build_contexts", lambda *_, **__: nullcontext({}))
    return asked


def test_frozen_mirrors_are_rendered_from_their_files_and_the_one_without_says_so(
    loaded: LoadedConfig, no_bake: list[str]
) -> None:
    with AllMirrors(loaded) as mirrors:
        outcomes = mirrors.run(Wanted(frozen=True))
    assert list(outcomes) == ["one", "three", "two"]
    assert no_bake == ["one", "three"]
    failed = {name: outcome.error for name, outcome in outcomes.items() if isinstance(outcome, Failed)}
    assert "There is no snapshot" in failed["two"].message
    assert [type(failed[name]) for name in no_bake] == [BuildFailed, BuildFailed]
    assert (loaded.root / "mirrors" / "one" / "image" / "Dockerfile").is_file()
    assert (loaded.root / "mirrors" / "one" / "compose.yaml").is_file()


def test_a_dry_run_writes_nothing(loaded: LoadedConfig, no_bake: list[str]) -> None:
    before = sorted(loaded.root.rglob("*"))
    with AllMirrors(loaded, dry_run=True) as mirrors:
        outcomes = mirrors.run(Wanted(frozen=True))
        assert all(mirror.access.dry_run for mirror in mirrors.mirrors.values())
    assert isinstance(outcomes["one"], Prepared)
    assert not no_bake
    assert sorted(loaded.root.rglob("*")) == before


def test_a_bake_of_nothing_that_is_ready_keeps_the_targets_of_an_earlier_run(
    loaded: LoadedConfig, no_bake: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with AllMirrors(loaded) as mirrors:
        mirrors.run(Wanted(frozen=True))
    no_bake.clear()

    def gone(mirror: Mirror) -> Snapshot:
        raise ConfigError("the cluster is gone")

    monkeypatch.setattr(snapshot_stage, "take_snapshot", gone)
    with AllMirrors(loaded) as mirrors:
        outcomes = mirrors.run(Wanted())
    assert {type(outcome) for outcome in outcomes.values()} == {Failed}
    assert not no_bake
    text = mirrors.bake_file.read_text()
    assert '"mirrors/one/image"' in text
    assert '"mirrors/two/image"' not in text
    assert str(loaded.root) not in text


def test_progress_is_told_with_the_mirrors_name(loaded: LoadedConfig) -> None:
    recorder = Recorder()
    with AllMirrors(loaded, observer=recorder) as mirrors:
        mirrors.mirrors["one"].observer.started("lock")
        mirrors.mirrors["two"].observer.note("Reading what the base has.")
    assert recorder.calls == ["lock one: started", "two: Reading what the base has."]


def test_of_two_questions_the_second_waits_for_the_answer_to_the_first(loaded: LoadedConfig) -> None:
    open_questions, most = 0, 0

    def host_key(_: Fingerprint) -> bool:
        nonlocal open_questions, most
        open_questions += 1
        most = max(most, open_questions)
        time.sleep(0.05)
        open_questions -= 1
        return True

    mirrors = AllMirrors(loaded, questions=Questions(host_key=host_key))
    fingerprint = Fingerprint(name="a", address="b", kind="ED25519", sha256="SHA256:x")
    asking = [
        threading.Thread(target=mirror.questions.host_key, args=(fingerprint,))
        for mirror in mirrors.mirrors.values()
        if mirror.questions.host_key is not None
    ]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert (len(asking), most) == (3, 1)
    assert all(mirror.questions.start is None for mirror in mirrors.mirrors.values())


def test_a_defect_in_one_mirror_ends_the_others_at_the_border_of_their_stage(
    loaded: LoadedConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, went_on = threading.Barrier(2), threading.Event()

    def take_snapshot(mirror: Mirror) -> Snapshot:
        if mirror.name == "one":
            entered.wait(5)
            raise ZeroDivisionError
        if mirror.name == "three":
            entered.wait(5)
            time.sleep(0.5)
        return mirror.snapshot()

    def make_lock(mirror: Mirror, _: Snapshot) -> MirrorLock:
        if mirror.name == "three":
            went_on.set()
        return mirror.lock()

    monkeypatch.setattr(snapshot_stage, "take_snapshot", take_snapshot)
    monkeypatch.setattr(stages, "make_lock", make_lock)
    with AllMirrors(loaded) as mirrors, pytest.raises(ZeroDivisionError):
        mirrors.run(Wanted())
    assert not went_on.wait(1)


def test_a_file_that_one_mirror_cannot_fetch_stops_no_other(
    loaded: LoadedConfig, no_bake: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def contexts(mirrors: dict[str, object], **_: object) -> nullcontext[dict[str, object]]:
        if "one" in mirrors:
            raise FetchError("six-1.0.tar.gz is not at its address any more.")
        return nullcontext({})

    monkeypatch.setattr(all_mirrors, "build_contexts", contexts)
    with AllMirrors(loaded) as mirrors:
        outcomes = mirrors.run(Wanted(frozen=True))
    assert no_bake == ["three"]
    assert isinstance(outcomes["one"], Failed)
    assert "is not at its address any more" in outcomes["one"].error.message
