"""A build's log is a stranger's: it is read in linear time, kept within bounds, and commands no terminal."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from dbmirror.engine import rawjson
from dbmirror.engine.failures import diagnose, find_cause, find_package
from dbmirror.engine.rawjson import BuildProgress, EventLines, in_words
from dbmirror.progress import SILENT
from tests.linear import assert_linear

PIECES = [
    "a",
    "a:",
    "a.",
    "a-",
    "40",
    "#",
    "[",
    "(",
    "--",
    '--a="',
    '"/',
    " ",
    "\n",
    "x: failed to resolve source metadata for a: ",
]
PIECES += [
    "failed to calculate checksum of ref x ",
    "E: Version '",
    "Because a was ",
    "    a==1 from ",
    "fatal error: a.",
]
READERS: dict[str, Callable[[str], object]] = {
    "cause": find_cause,
    "package": lambda text: find_package(text.split("\n")),
    "words": in_words,
    "words of an instruction": lambda text: in_words(f"[x 1/2] RUN {text}"),
    "words of a place": lambda text: in_words(f"[{text}"),
}


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("reader", READERS)
def test_a_log_is_read_in_linear_time(reader: str, piece: str) -> None:
    """32 kB of log once took 9 s."""
    assert_linear(READERS[reader], piece)


def event(**parts: Any) -> str:
    return json.dumps(parts)


def log(text: str) -> str:
    return event(logs=[{"vertex": "sha256:1", "stream": 2, "data": base64.b64encode(text.encode()).decode()}])


def failed_build(*lines: str) -> BuildProgress:
    progress = BuildProgress(SILENT)
    step = {"digest": "sha256:1", "name": "[image 1/2] RUN make\x1b[2J\x9b", "started": "now"}
    progress.feed(event(vertexes=[step]))
    for line in lines:
        progress.feed(line)
    progress.feed(event(vertexes=[{**step, "error": "exit code: 1 \u202e\x85 https://u:hunter2@h/x?token=hunter2"}]))
    progress.end()
    return progress


def test_what_a_step_prints_commands_no_terminal_and_shows_no_credential() -> None:
    progress = failed_build(log("a\x1b[31m\x07\x9b31m\u2028b ?sig=hunter2 dapi0123456789abcdef0123456789abcdef\n"))
    error = diagnose(progress, code=1)
    said = "\n".join([error.message, error.step, *error.log])
    assert said.replace("\n", "").isprintable()
    assert "hunter2" not in said
    assert "dapi0123" not in said


def test_a_line_without_an_end_is_kept_within_bounds() -> None:
    progress = failed_build(*(log("x" * 10_000) for _ in range(500)))
    failed = progress.failed
    assert failed is not None
    assert max(map(len, failed.log)) <= rawjson.LONGEST_LOG_LINE
    assert len(failed.log) <= rawjson.KEPT_LINES


def test_an_event_without_an_end_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rawjson, "LARGEST_EVENT", 100_000)
    lines = EventLines()
    for _ in range(1_000):
        assert lines.feed("{" + "x" * 1_000) is None
    assert sum(map(len, lines.remarks)) <= rawjson.KEPT_LINES * rawjson.LONGEST_LOG_LINE
    lines.end()
    assert lines.feed(event(vertexes=[])) == {"vertexes": []}
