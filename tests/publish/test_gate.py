"""The gate before a push: what a cloned record says is a claim, and only what this machine did counts."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from dbmirror.build.image import Built, built_here, read_built, write_built
from dbmirror.clones.own_records import MOST, Kind, is_own, remember
from dbmirror.config import Config, LoadedConfig
from dbmirror.lock.mirror_lock import MirrorLock, write_mirror_lock
from dbmirror.pipeline.mirror import Mirror
from dbmirror.pipeline.publish_stage import pass_gate
from dbmirror.progress import Observer
from dbmirror.publish.gate import NotBuiltHere, NotVerified
from dbmirror.snapshot import write_snapshot
from dbmirror.verify.model import Report
from dbmirror.verify.report import made_here, remember_report, write_report
from dbmirror.verify.verifier import verifier
from tests.builders import a_lock, a_snapshot

IMAGE = "sha256:" + "1" * 64


class Recorder(Observer):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This machine's state, and no memory of what this process did for another test."""
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("dbmirror.clones.own_records._of_this_run", set())
    return tmp_path / "home"


@pytest.fixture
def mirror(home: Path, tmp_path: Path) -> Mirror:
    """A cloned project with snapshot and lock."""
    root = tmp_path / "project"
    snapshot = a_snapshot()
    write_snapshot(snapshot, root / "mirrors" / "demo" / "snapshot.json")
    write_mirror_lock(MirrorLock(python=a_lock(snapshot=snapshot.digest)), root / "mirrors" / "demo")
    return Mirror("demo", LoadedConfig(config=Config(), origin=None, root=root), observer=Recorder())


@pytest.fixture
def built(mirror: Mirror) -> Built:
    lock = mirror.lock()
    return Built(image_id=IMAGE, tags=(mirror.tag(lock),), snapshot=lock.snapshot, lock=lock.digest)


@pytest.fixture
def report(built: Built) -> Report:
    """A report of that image without a single complaint."""
    return Report(
        image_id=built.image_id,
        snapshot=built.snapshot,
        lock=built.lock,
        comparisons=(),
        imports=(),
        findings=(),
        verifier=verifier(),
    )


def clone(value: Built | Report, folder: Path) -> None:
    """Put the record into the mirror's folder as git would: byte for byte, and nothing else."""
    if isinstance(value, Built):
        document = {name: getattr(value, name) for name in ("image_id", "tags", "snapshot", "lock", "schema")}
        (folder / "build.json").write_text(json.dumps(document))
    else:
        write_report(value, folder / "verification.json")


def test_an_image_that_only_a_cloned_record_names_is_not_pushed(mirror: Mirror, built: Built, report: Report) -> None:
    clone(built, mirror.folder)
    clone(report, mirror.folder)
    claimed = read_built(mirror.folder / "build.json")
    with pytest.raises(NotBuiltHere, match="A record from elsewhere") as caught:
        pass_gate(mirror, claimed)
    assert "dbmirror build demo --frozen" in caught.value.remedy


def test_a_cloned_report_is_named_a_claim_and_does_not_count(mirror: Mirror, report: Report) -> None:
    clone(report, mirror.folder)
    assert mirror.report() is None
    assert isinstance(mirror.observer, Recorder)
    (note,) = mirror.observer.notes
    assert "A report from elsewhere" in note
    assert "says that" in note
    assert mirror.claimed_report() == report


def test_a_report_that_this_machine_made_counts(mirror: Mirror, built: Built, report: Report) -> None:
    write_built(built, mirror.folder / "build.json")
    remember_report(report)
    write_report(report, mirror.folder / "verification.json")
    assert mirror.report() == report
    assert pass_gate(mirror, built)


def test_an_edit_of_an_own_report_makes_it_a_claim(report: Report) -> None:
    remember_report(report)
    assert made_here(report)
    for changed in ("image_id", "lock", "snapshot", "verifier"):
        assert not made_here(replace(report, **{changed: "sha256:another"}))


def test_a_report_is_missing_though_the_image_was_built_here(mirror: Mirror, built: Built) -> None:
    write_built(built, mirror.folder / "build.json")
    with pytest.raises(NotVerified, match="was not verified"):
        pass_gate(mirror, built)


def test_a_claim_does_not_become_verified_by_allowing_the_unverified(
    mirror: Mirror, built: Built, report: Report
) -> None:
    clone(built, mirror.folder)
    clone(report, mirror.folder)
    assert not pass_gate(mirror, built, allow_unverified=True)


def test_an_image_of_another_lock_is_not_this_mirrors(mirror: Mirror, built: Built) -> None:
    """The record of another mirror of this machine, copied into this one's folder."""
    other = replace(built, lock="sha256:" + "2" * 64)
    write_built(other, mirror.folder / "build.json")
    with pytest.raises(NotBuiltHere, match="another lock"):
        pass_gate(mirror, other)


def test_what_this_machine_did_outlives_the_process(
    home: Path, built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_built(built, tmp_path / "build.json")
    monkeypatch.setattr("dbmirror.clones.own_records._of_this_run", set())
    assert built_here(built)
    (record,) = (home / "records" / "build").iterdir()
    assert record.stat().st_mode & 0o777 == 0o600
    assert record.parent.stat().st_mode & 0o077 == 0


def test_a_home_that_cannot_be_written_is_good_for_one_run(
    home: Path, built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mirror in a container without a home builds, verifies and pushes in one command."""
    shutil.rmtree(home, ignore_errors=True)
    home.write_text("not a folder")
    write_built(built, tmp_path / "build.json")
    assert built_here(built)
    monkeypatch.setattr("dbmirror.clones.own_records._of_this_run", set())
    assert not built_here(built)


def test_the_memory_has_an_end(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbmirror.clones.own_records.MOST", 3)
    assert MOST >= 100
    for number in range(5):
        remember(Kind.BUILD, str(number).encode())
    monkeypatch.setattr("dbmirror.clones.own_records._of_this_run", set())
    assert [is_own(Kind.BUILD, str(number).encode()) for number in range(5)] == [False, False, True, True, True]
