"""The order of the stages, and where a run begins and ends."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dbmirror.config import Config, LoadedConfig
from dbmirror.pipeline import line, snapshot_stage, stages
from dbmirror.pipeline.line import Finished, Prepared, Wanted, run_one
from dbmirror.pipeline.mirror import Mirror
from dbmirror.pipeline.publish_stage import Published

SNAPSHOT, LOCK, BUILT, RESULT = "snapshot", "lock", SimpleNamespace(tags=("demo:1",)), "result"
PUBLISHED = Published(pushed=(SimpleNamespace(digest="sha256:1"),))  # type: ignore[arg-type]
TO: Any = ("acr",)


class Line:
    """The stages, each of which only says that it ran and with what it was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ran: list[str] = []
        self.passed = True
        gives = {
            "take_snapshot": lambda _: SNAPSHOT,
            "committed_lock": lambda mirror: mirror.lock(),
            "make_lock": lambda _, snapshot: LOCK if snapshot == SNAPSHOT else None,
            "render_files": lambda _, lock: lock == LOCK,
            "build": lambda _, lock: (BUILT, RESULT) if lock == LOCK else None,
            "verify_image": lambda _, *values: self._report(values),
        }
        for name, give in gives.items():
            room = snapshot_stage if name == "take_snapshot" else stages
            monkeypatch.setattr(room, name, self._saying(name, give))
        monkeypatch.setattr(line, "publish_image", self._saying("publish_image", lambda *_, **__: PUBLISHED))
        sbom = self._saying("write_sbom_file", lambda *_, **__: Path("sbom.cdx.json"))
        monkeypatch.setattr(line, "write_sbom_file", sbom)
        monkeypatch.setattr(Mirror, "snapshot", self._saying("read snapshot", lambda _: SNAPSHOT))
        monkeypatch.setattr(Mirror, "lock", self._saying("read lock", lambda _: LOCK))

    def _report(self, values: tuple[object, ...]) -> SimpleNamespace:
        assert values == (BUILT, LOCK, SNAPSHOT)
        return SimpleNamespace(passed=self.passed)

    def _saying(self, name: str, give: Any) -> Any:
        def stage(*arguments: Any, **named: Any) -> Any:
            self.ran.append(name)
            return give(*arguments, **named)

        return stage


@pytest.fixture
def stages_of(monkeypatch: pytest.MonkeyPatch) -> Line:
    return Line(monkeypatch)


def a_mirror(root: Path, *, dry_run: bool = False) -> Mirror:
    return Mirror("demo", LoadedConfig(config=Config(), origin=None, root=root), dry_run=dry_run)


def test_a_run_goes_from_the_cluster_to_the_registry(stages_of: Line, tmp_path: Path) -> None:
    done = run_one(a_mirror(tmp_path), Wanted(destinations=TO, sbom=True))
    assert stages_of.ran == [
        *("take_snapshot", "make_lock", "render_files", "build", "verify_image", "publish_image", "write_sbom_file")
    ]
    assert isinstance(done, Finished)
    assert (done.built, done.result, done.published, done.sbom) == (BUILT, RESULT, PUBLISHED, Path("sbom.cdx.json"))


def test_a_frozen_run_begins_with_the_files(stages_of: Line, tmp_path: Path) -> None:
    run_one(a_mirror(tmp_path), Wanted(frozen=True))
    assert stages_of.ran == ["read snapshot", "committed_lock", "read lock", "render_files", "build", "verify_image"]


def test_a_dry_run_ends_with_the_lock(stages_of: Line, tmp_path: Path) -> None:
    done = run_one(a_mirror(tmp_path, dry_run=True), Wanted(destinations=TO))
    assert stages_of.ran == ["take_snapshot", "make_lock"]
    assert done == Prepared(snapshot=SNAPSHOT, lock=LOCK)  # type: ignore[arg-type]


@pytest.mark.parametrize("allowed", [False, True])
def test_an_image_that_did_not_pass_is_pushed_only_where_that_is_allowed(
    stages_of: Line, tmp_path: Path, allowed: bool
) -> None:
    stages_of.passed = False
    done = run_one(a_mirror(tmp_path), Wanted(destinations=TO, allow_unverified=allowed))
    assert isinstance(done, Finished)
    assert ("publish_image" in stages_of.ran) == bool(done.published.pushed) == allowed
