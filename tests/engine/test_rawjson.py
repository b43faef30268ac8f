"""The event stream of a build becomes steps, progress and last words."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from dbmirror.engine.failures import diagnose
from dbmirror.engine.rawjson import KEPT_LINES, BuildProgress, in_words
from dbmirror.progress import Observer

NOW = "2026-11-20T22:57:01.406266071Z"


class Recorder(Observer):
    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    def started(self, stage: str, *, total: int | None = None) -> None:
        self.calls.append(("started", total))

    def advanced(self, stage: str, text: str = "", *, steps: int = 1) -> None:
        self.calls.append(("done" if steps else "now", text))


def vertex(number: int, name: str, **more: Any) -> dict[str, Any]:
    return {"digest": f"sha256:{number}", "name": name, **more}


def log(number: int, text: str, stream: int = 1) -> dict[str, Any]:
    data = base64.b64encode(text.encode()).decode()
    return {"logs": [{"vertex": f"sha256:{number}", "stream": stream, "data": data, "timestamp": NOW}]}


def read(*events: dict[str, Any] | str, indent: int | None = None) -> tuple[BuildProgress, Recorder]:
    recorder = Recorder()
    progress = BuildProgress(recorder)
    for event in events:
        for line in (event if isinstance(event, str) else json.dumps(event, indent=indent)).splitlines():
            progress.feed(line)
    progress.end()
    return progress, recorder


RUN = "[runtime 2/2] RUN --mount=type=secret,id=ca uv pip install -r x"
GRAPH = {"vertexes": [vertex(1, "[runtime 1/2] FROM base"), vertex(2, RUN)]}
BASE = {"vertexes": [vertex(1, "[runtime 1/2] FROM base", started=NOW, completed=NOW, cached=True)]}
STARTED = {"vertexes": [vertex(2, RUN, started=NOW)]}
DONE = {"vertexes": [vertex(2, RUN, started=NOW, completed=NOW)]}


@pytest.mark.parametrize("indent", [None, 2])
def test_a_build_is_told_as_a_total_what_runs_now_and_what_is_done(indent: int | None) -> None:
    progress, recorder = read(GRAPH, BASE, STARTED, DONE, indent=indent)
    assert recorder.calls == [
        ("started", 1),
        ("now", "runtime 2/2: uv pip install -r x"),
        ("done", "runtime 2/2: uv pip install -r x"),
    ]
    assert [step.cached for step in progress.counted()] == [False]
    assert progress.failed is None


def test_a_step_from_the_cache_is_known_as_such() -> None:
    progress, recorder = read(GRAPH, BASE, {"vertexes": [vertex(2, RUN, started=NOW, completed=NOW, cached=True)]})
    assert [step.cached for step in progress.counted()] == [True]
    assert recorder.calls[-1] == ("done", "runtime 2/2: uv pip install -r x")


def test_lines_of_the_build_files_own_scripts_are_shown_while_a_step_runs() -> None:
    _, recorder = read(GRAPH, STARTED, log(2, "noise\ndbmirror: building psycopg2 2.9.3\n"))
    assert ("now", "building psycopg2 2.9.3") in recorder.calls
    assert not any("noise" in str(call) for call in recorder.calls)


def test_a_line_that_comes_in_pieces_is_one_line_and_streams_do_not_mix() -> None:
    progress, _ = read(GRAPH, STARTED, log(2, "one "), log(2, "error\n", stream=2), log(2, "line\nrest"))
    assert list(progress.steps["sha256:2"].log) == ["error", "one line", "rest"]


def test_of_a_progress_bar_only_the_last_state_is_kept() -> None:
    progress, _ = read(GRAPH, STARTED, log(2, "10%\r50%\r100%\nplain\r\n"))
    assert list(progress.steps["sha256:2"].log) == ["100%", "plain"]


def test_a_long_log_keeps_its_end() -> None:
    progress, _ = read(GRAPH, STARTED, log(2, "\n".join(map(str, range(KEPT_LINES * 3))) + "\n"))
    kept = progress.steps["sha256:2"].log
    assert len(kept) == KEPT_LINES
    assert kept[-1] == str(KEPT_LINES * 3 - 1)


def test_credentials_in_urls_never_reach_the_log() -> None:
    progress, _ = read(
        GRAPH, STARTED, log(2, "from https://me:hunter2@index.example/simple\n"), "ERROR: http://a:b@c/d"
    )
    assert list(progress.steps["sha256:2"].log) == ["from https://***@index.example/simple"]
    assert list(progress.remarks) == ["ERROR: http://***@c/d"]


def test_text_between_and_after_the_events_is_kept_as_remarks() -> None:
    progress, _ = read("WARNING: x", GRAPH, "ERROR: failed to solve: y", "{ this is no event }")
    assert list(progress.remarks) == ["WARNING: x", "ERROR: failed to solve: y", "{ this is no event }"]


def test_an_event_of_unknown_kind_is_harmless() -> None:
    progress, _ = read({"warnings": [{"level": 1}]}, {"vertexes": None}, {"new": {"thing": 1}})
    assert progress.counted() == []


def test_a_step_that_was_cancelled_because_another_failed_is_not_the_failure() -> None:
    progress, _ = read(
        {
            "vertexes": [
                vertex(1, "[a 1/1] RUN x", started=NOW, completed=NOW, error="context canceled: context canceled")
            ]
        },
        {"vertexes": [vertex(2, "[b 1/1] RUN y", started=NOW, completed=NOW, error="exit code: 3")]},
    )
    assert progress.failed is not None
    assert progress.failed.name == "[b 1/1] RUN y"


def test_the_error_names_step_package_cause_and_remedy() -> None:
    progress, _ = read(
        GRAPH,
        STARTED,
        log(2, "x.c:1:1: fatal error: sql.h: No such file or directory\ndbmirror: failed pyodbc 4.0.38 (build)\n"),
        {"vertexes": [vertex(2, RUN, started=NOW, completed=NOW, error="exit code: 1")]},
        "ERROR: failed to solve: exit code: 1",
    )
    error = diagnose(progress, code=1)
    assert error.message == (
        "The build stopped at 'runtime 2/2: uv pip install -r x': pyodbc 4.0.38 could not be installed: "
        "the header sql.h is missing."
    )
    assert "unixodbc-dev" in error.remedy
    assert (error.package, error.cause, error.exit_code) == ("pyodbc 4.0.38", "native-header", 4)
    assert error.log[-1] == "dbmirror: failed pyodbc 4.0.38 (build)"


def test_an_unknown_failure_still_names_the_step_and_its_last_words() -> None:
    progress, _ = read(
        GRAPH, STARTED, log(2, "odd\n\n"), {"vertexes": [vertex(2, RUN, completed=NOW, error="exit code: 9")]}
    )
    assert "'runtime 2/2: uv pip install -r x': its last words are: odd." in diagnose(progress, code=1).message


def test_a_build_that_never_began_says_what_buildx_said() -> None:
    error = diagnose(read("ERROR: unknown flag: --x")[0], code=125)
    assert error.message == (
        "The build did not start (buildx ended with 125): its last words are: ERROR: unknown flag: --x."
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("[internal] load build definition from Dockerfile", "reading the Dockerfile"),
        ("[internal] load metadata for docker.io/a/b:1", "looking up docker.io/a/b:1"),
        ("[2/3] COPY --link --from=x a b", "image 2/3: copy a b"),
        ("[stage-1 2/3] COPY a b", "stage-1 2/3: copy a b"),
        ('[a 1/1] RUN --mount=type=cache,target=/x --network=none echo "--y"', 'a 1/1: echo "--y"'),
        ("[a 1/2] WORKDIR /x", "a 1/2: workdir /x"),
        ("exporting to image", "writing the image"),
        ("something new", "something new"),
    ],
)
def test_names_of_steps_are_said_in_plain_words(name: str, words: str) -> None:
    assert in_words(name) == words


def test_a_step_of_many_lines_is_named_on_one_short_line() -> None:
    words = in_words("[a 1/2] RUN <<EOF (set -e...)\n" + "x" * 500)
    assert "\n" not in words
    assert len(words) < 120
