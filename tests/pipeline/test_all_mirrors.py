"""All mirrors of a file: their files side by side, each with progress, questions and failures of its own."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from dbmirror.config import Config, ConfigError, LoadedConfig, MirrorConfig
from dbmirror.hosts.known_hosts import Fingerprint
from dbmirror.lock.model import Lock
from dbmirror.lock.python.files import write_lock
from dbmirror.pipeline.all_mirrors import AllMirrors, FailedMirror, PreparedMirror
from dbmirror.pipeline.line import Questions
from dbmirror.progress import Observer
from dbmirror.snapshot import Snapshot, write_snapshot
from tests.builders import a_cluster, a_lock, a_snapshot
from tests.supported import supported

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
    write_lock(supported(a_lock(snapshot=snapshot.digest)), folder)


def test_a_file_without_mirrors_is_an_error_that_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[mirrors.NAME\]"):
        AllMirrors(LoadedConfig(config=Config(), origin=None, root=tmp_path))


def test_frozen_mirrors_are_rendered_from_their_files_and_the_one_without_says_so(loaded: LoadedConfig) -> None:
    with AllMirrors(loaded) as mirrors:
        prepared = mirrors.prepare(frozen=True)
    assert list(prepared) == ["one", "three", "two"]
    assert [type(outcome) for outcome in prepared.values()] == [PreparedMirror, PreparedMirror, FailedMirror]
    failed = prepared["two"]
    assert isinstance(failed, FailedMirror)
    assert "There is no snapshot" in failed.error.message
    assert (loaded.root / "mirrors" / "one" / "image" / "Dockerfile").is_file()


def test_a_dry_run_writes_nothing(loaded: LoadedConfig) -> None:
    with AllMirrors(loaded, dry_run=True) as mirrors:
        prepared = mirrors.prepare(frozen=True)
        assert all(pipeline.access.dry_run for pipeline in mirrors.pipelines.values())
    assert isinstance(prepared["one"], PreparedMirror)
    assert not (loaded.root / "mirrors" / "one" / "image").exists()


def test_a_bake_of_nothing_that_is_ready_keeps_the_targets_of_an_earlier_run(loaded: LoadedConfig) -> None:
    with AllMirrors(loaded) as mirrors:
        prepared = mirrors.prepare(frozen=True)
        failed = FailedMirror(error=ConfigError("the cluster is gone"))
        outcomes = mirrors.build({**dict.fromkeys(prepared, failed)})
    assert set(outcomes.values()) == {failed}
    text = mirrors.bake_file.read_text()
    assert '"mirrors/one/image"' in text
    assert '"mirrors/two/image"' not in text
    assert str(loaded.root) not in text


def test_progress_is_told_with_the_mirrors_name(loaded: LoadedConfig) -> None:
    recorder = Recorder()
    with AllMirrors(loaded, observer=recorder) as mirrors:
        mirrors.pipelines["one"].observer.started("lock")
        mirrors.pipelines["two"].observer.note("Reading what the base has.")
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
        threading.Thread(target=pipeline.questions.host_key, args=(fingerprint,))
        for pipeline in mirrors.pipelines.values()
        if pipeline.questions.host_key is not None
    ]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert (len(asking), most) == (3, 1)
    assert all(pipeline.questions.start is None for pipeline in mirrors.pipelines.values())


def test_a_defect_in_one_mirror_ends_the_others_at_their_next_word(
    loaded: LoadedConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()

    def defect(_: Lock) -> None:
        raise ZeroDivisionError

    with AllMirrors(loaded) as mirrors:
        observer = mirrors.pipelines["three"].observer

        def endless() -> Snapshot:
            try:
                while True:
                    observer.advanced("snapshot")
                    time.sleep(0.01)
            finally:
                ended.set()

        monkeypatch.setattr(mirrors.pipelines["three"], "snapshot", endless)
        monkeypatch.setattr(mirrors.pipelines["one"], "render", defect)
        with pytest.raises(ZeroDivisionError):
            mirrors.prepare(frozen=True)
        assert ended.wait(5)
