"""The event stream of a bake becomes the progress of each target, and names the ones that failed."""

from __future__ import annotations

import base64
import json
from typing import Any

from dbmirror.engine.bake_progress import BakeProgress
from dbmirror.progress import Observer

NOW = "2026-11-20T22:57:01.406266071Z"
CANCELED = "process did not complete successfully: exit code: 137: context canceled: context canceled"


class Recorder(Observer):
    def __init__(self) -> None:
        self.calls: list[str] = []

    def started(self, stage: str, *, total: int | None = None) -> None:
        self.calls.append(f"{stage}: started of {total}")

    def advanced(self, stage: str, text: str = "", *, steps: int = 1) -> None:
        self.calls.append(f"{stage}: {'done' if steps else 'now'} {text}")


def vertex(number: int, name: str, **more: Any) -> dict[str, Any]:
    return {"digest": f"sha256:{number}", "name": name, **more}


def log(number: int, text: str) -> dict[str, Any]:
    data = base64.b64encode(text.encode()).decode()
    return {"logs": [{"vertex": f"sha256:{number}", "stream": 1, "data": data, "timestamp": NOW}]}


def read(targets: list[str], *events: dict[str, Any] | str) -> tuple[BakeProgress, Recorder]:
    recorder = Recorder()
    progress = BakeProgress({target: f"build {target}" for target in targets}, recorder)
    for event in events:
        for line in (event if isinstance(event, str) else json.dumps(event, indent=2)).splitlines():
            progress.feed(line)
    progress.end()
    return progress, recorder


ONE = vertex(1, "[one image 1/1] RUN make one")
TWO = vertex(2, "[two image 1/1] RUN make two")


def test_each_target_is_told_under_its_own_stage_and_without_its_name_in_the_steps() -> None:
    _, recorder = read(["one", "two"], {"vertexes": [{**ONE, "started": NOW}, {**TWO, "started": NOW}]})
    assert recorder.calls == [
        "build one: started of 1",
        "build one: now image 1/1: make one",
        "build two: started of 1",
        "build two: now image 1/1: make two",
    ]


def test_a_single_target_has_no_name_in_front_of_its_steps() -> None:
    progress, _ = read(["one"], {"vertexes": [vertex(1, "[image 1/1] RUN make one", started=NOW)]})
    assert [step.words for step in progress.builds["one"].counted()] == ["image 1/1: make one"]


def test_a_stage_that_is_named_like_another_target_is_not_taken_for_it() -> None:
    progress, _ = read(["one", "image"], {"vertexes": [{**ONE, "started": NOW}]})
    assert len(progress.builds["one"].counted()) == 1
    assert progress.builds["image"].counted() == []


def test_names_of_housekeeping_lose_the_target_too() -> None:
    progress, _ = read(
        ["one", "two"],
        {"vertexes": [vertex(1, "[one internal] load .dockerignore"), vertex(2, "[one] exporting to image")]},
    )
    words = [step.words for step in progress.builds["one"].steps.values()]
    assert words == ["reading .dockerignore", "writing the image"]


def test_what_bake_does_for_itself_is_no_step_of_a_target() -> None:
    progress, _ = read(["one", "two"], {"vertexes": [vertex(9, "[internal] load local bake definitions")]})
    assert all(not build.steps for build in progress.builds.values())


def test_a_shared_step_and_its_log_are_told_to_each_target_that_has_it() -> None:
    progress, _ = read(
        ["one", "two", "three"],
        {"vertexes": [vertex(5, "[one system 1/1] RUN apt")]},
        {"vertexes": [vertex(5, "[two system 1/1] RUN apt", started=NOW)]},
        log(5, "reading lists\n"),
    )
    for target in ("one", "two"):
        assert list(progress.builds[target].steps["sha256:5"].log) == ["reading lists"]
    assert progress.builds["three"].steps == {}


def test_a_step_that_turns_out_to_be_another_targets_counts_once_and_has_its_log() -> None:
    own, same = "[two system 1/1] RUN apt", {"started": NOW, "completed": NOW}
    progress, recorder = read(
        ["one", "two"],
        {"vertexes": [vertex(5, "[one system 1/1] RUN apt"), vertex(6, own)]},
        {"vertexes": [vertex(5, "[one system 1/1] RUN apt", started=NOW), vertex(5, own, started=NOW)]},
        log(5, "reading lists\n"),
        {"vertexes": [vertex(5, own, **same), vertex(6, own, cached=True, **same)]},
    )
    steps = progress.builds["two"].counted()
    assert [(step.words, step.cached, list(step.log)) for step in steps] == [
        ("system 1/1: apt", False, ["reading lists"])
    ]
    assert recorder.calls.count("build two: done system 1/1: apt") == 1


def test_of_a_failure_and_what_was_cancelled_with_it_only_the_failure_counts() -> None:
    progress, _ = read(
        ["one", "two"],
        {"vertexes": [{**ONE, "started": NOW}, {**TWO, "started": NOW}]},
        {"vertexes": [{**ONE, "started": NOW, "completed": NOW, "error": CANCELED}]},
        {"vertexes": [{**TWO, "started": NOW, "completed": NOW, "error": "exit code: 1"}]},
    )
    assert progress.failed == ("two",)


def test_what_fails_after_the_first_failure_is_not_judged() -> None:
    progress, _ = read(
        ["one", "two"],
        {"vertexes": [{**TWO, "started": NOW, "completed": NOW, "error": "exit code: 1"}]},
        {"vertexes": [{**ONE, "started": NOW, "completed": NOW, "error": "rpc error: connection closed"}]},
    )
    assert progress.failed == ("two",)


def test_a_shared_step_that_fails_fails_every_target_that_has_it() -> None:
    progress, _ = read(
        ["one", "two", "three"],
        {"vertexes": [vertex(5, "[one system 1/1] RUN apt"), vertex(5, "[two system 1/1] RUN apt"), {**ONE}]},
        {"vertexes": [vertex(5, "[two system 1/1] RUN apt", completed=NOW, error="exit code: 100")]},
    )
    assert progress.failed == ("one", "two")


def test_a_failure_that_no_step_names_is_nobodys_and_its_words_are_kept() -> None:
    progress, _ = read(["one", "two"], "ERROR: failed to solve: dockerfile parse error on line 1")
    assert progress.failed == ()
    assert list(progress.builds["one"].remarks) == ["ERROR: failed to solve: dockerfile parse error on line 1"]
