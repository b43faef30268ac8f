"""The event stream of `docker buildx build --progress rawjson`, as steps, each with its state and last output."""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from dbmirror.foreign_text.characters import one_line, shown
from dbmirror.foreign_text.redaction import without_credentials
from dbmirror.progress import Observer

STAGE: Final = "build"
KEPT_LINES: Final = 200
"""How many of the last lines of a step's log are kept: a compiler's first error stands well above its last line."""
LONGEST_LOG_LINE: Final = 2000
"""Characters of a line that are kept: a compiler's message fits, a minified file that a log repeats does not."""
LONGEST_ERROR: Final = 20_000
"""Characters of a step's error, which repeats the whole command of the step."""
LARGEST_EVENT: Final = 32 << 20
"""Characters of one event. The graph of the largest build so far came in some hundred thousand."""
_LONGEST_PLACE: Final = 300
_PLACED = re.compile(rf"\[(?P<place>[^\]]{{1,{_LONGEST_PLACE}}})\] (?P<instruction>.*)", re.DOTALL)
_POSITION = re.compile(r"(?:(?P<stage>.*\S)\s+)?(?P<position>\d+/\d+)", re.DOTALL)
_FLAGS = re.compile(r"(--[a-z]+(=(\"[^\"]*\"|'[^']*'|\S+))?\s+)+")
_NOTICE = "dbmirror: "
"""Lines of a Dockerfile's own scripts that begin so are shown while the step runs."""


@dataclass(slots=True, kw_only=True)
class Step:
    """One vertex of the build graph."""

    name: str
    """As BuildKit names it: `[runtime 2/4] RUN …`."""
    counted: bool = False
    """It is an instruction that does something: neither BuildKit's housekeeping nor a FROM of an image at hand."""
    started: bool = False
    completed: bool = False
    cached: bool = False
    error: str = ""
    log: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))

    @property
    def words(self) -> str:
        """What the step does, in plain words on one line."""
        return in_words(self.name)


class EventLines:
    """Puts the lines of the stream together to events: up to 0.13 an event spans many lines, later ones are a line."""

    def __init__(self) -> None:
        self.remarks: deque[str] = deque(maxlen=KEPT_LINES)
        """Lines that are no events: buildx's own errors and warnings."""
        self._pending: list[str] = []
        self._size = 0

    def feed(self, line: str) -> Mapping[str, Any] | None:
        """Take one line; the event that it ends, if it ends one."""
        if not self._pending and not line.startswith("{"):
            if line.strip():
                self.remarks.append(_log_line(line))
            return None
        self._pending.append(line)
        self._size += len(line)
        if self._size > LARGEST_EVENT:
            self.end()
            return None
        if not line.endswith("}") or (len(self._pending) > 1 and line != "}"):
            return None
        text, self._pending, self._size = "\n".join(self._pending), [], 0
        try:
            event: Mapping[str, Any] = json.loads(text)
        except ValueError:
            self.remarks.extend(map(_log_line, text.splitlines()[-KEPT_LINES:]))
            return None
        return event

    def end(self) -> None:
        """The stream ended: what was no whole event is a remark."""
        self.remarks.extend(map(_log_line, self._pending[-KEPT_LINES:]))
        self._pending.clear()
        self._size = 0


class BuildProgress:
    """Reads the stream line by line, tells `observer` of each step, and knows at the end how each came out."""

    def __init__(self, observer: Observer, *, stage: str = STAGE) -> None:
        self.steps: dict[str, Step] = {}
        """By digest, in the order of their first mention."""
        self.last_start = 0.0
        """When the last step began, by the monotonic clock."""
        self._observer = observer
        self._stage = stage
        self._events = EventLines()
        self._unended: dict[tuple[str, int], str] = {}
        self._announced = False

    @property
    def remarks(self) -> deque[str]:
        """Lines that are no events: buildx's own errors and warnings."""
        return self._events.remarks

    def feed(self, line: str) -> None:
        """Take one line of the stream."""
        event = self._events.feed(line)
        if event is not None:
            self.take(event)

    def take(self, event: Mapping[str, Any]) -> None:
        """Take one whole event."""
        for vertex in event.get("vertexes") or ():
            self._vertex(vertex)
        for entry in event.get("logs") or ():
            for line in self._log_lines(entry):
                self._log(entry.get("vertex", ""), line)

    @property
    def failed(self) -> Step | None:
        """The step that the build stopped at; steps that were merely cancelled with it do not count."""
        failed = [step for step in self.steps.values() if step.error]
        return next((step for step in failed if "context canceled" not in step.error), failed[0] if failed else None)

    def counted(self) -> list[Step]:
        """The steps that are instructions other than FROM."""
        return [step for step in self.steps.values() if step.counted]

    def _vertex(self, vertex: Mapping[str, Any]) -> None:
        name = shown(str(vertex.get("name", "")))
        step = self.steps.setdefault(str(vertex.get("digest", "")), Step(name=name))
        placed = _placed(name)
        step.counted = placed is not None and not placed[2].startswith("FROM ")
        if vertex.get("started") and not step.started:
            step.started = True
            self.last_start = time.monotonic()
            if step.counted and not self._announced:
                # BuildKit sends the whole graph in one event, so that the number of steps is known from here on.
                self._announced = True
                self._observer.started(self._stage, total=len(self.counted()))
            if self._announced:
                self._observer.advanced(self._stage, step.words, steps=0)
        step.cached = step.cached or bool(vertex.get("cached"))
        step.error = shown(without_credentials(str(vertex.get("error") or step.error)[:LONGEST_ERROR]))
        if vertex.get("completed") and not step.completed and (step.cached or step.started):
            step.completed = True
            if step.counted and not step.error:
                self._observer.advanced(self._stage, step.words)

    def _log_lines(self, entry: Mapping[str, Any]) -> Iterator[str]:
        """The whole lines that `entry` ends; what comes after the last line end waits for the next entry."""
        try:
            data = base64.b64decode(entry.get("data") or b"").decode(errors="replace")
        except (binascii.Error, ValueError):
            return
        key = (str(entry.get("vertex", "")), int(entry.get("stream") or 0))
        *lines, rest = (self._unended.get(key, "") + data).split("\n")
        yield from lines
        if len(rest) > LONGEST_LOG_LINE:
            # A line without an end must not grow with each entry.
            yield rest
            rest = ""
        self._unended[key] = rest

    def _log(self, digest: str, line: str) -> None:
        line = _log_line(line.rstrip("\r").rpartition("\r")[2])
        if (step := self.steps.get(digest)) is not None:
            step.log.append(line)
            if line.startswith(_NOTICE):
                self._observer.advanced(self._stage, line.removeprefix(_NOTICE), steps=0)

    def end(self) -> None:
        """The stream ended: take what still waits for a line end."""
        for (digest, _), rest in self._unended.items():
            if rest:
                self._log(digest, rest)
        self._unended.clear()
        self._events.end()


_HOUSEKEEPING: Final[tuple[tuple[str, str], ...]] = (
    (r"\[internal\] load build definition.*", "reading the Dockerfile"),
    (r"\[internal\] load \.dockerignore.*", "reading .dockerignore"),
    (r"\[internal\] load metadata for (.*)", r"looking up \1"),
    (r"\[internal\] load build context.*", "sending the build context"),
    (r"exporting to .*image.*", "writing the image"),
    (r"importing to docker.*", "loading the image into Docker"),
)


def _log_line(line: str) -> str:
    """A line of foreign output as it is kept: no credentials, nothing that a terminal obeys, not too long."""
    return shown(without_credentials(line[:LONGEST_LOG_LINE]))


def _placed(name: str) -> tuple[str, str, str] | None:
    """Stage (empty where it has no name), position and instruction of `[runtime 2/4] RUN …`; None for other steps."""
    placed = _PLACED.match(name)
    position = _POSITION.fullmatch(placed["place"]) if placed else None
    return (position["stage"] or "", position["position"], placed["instruction"]) if placed and position else None


def in_words(name: str) -> str:
    """BuildKit's name of a step in plain words: `[runtime 2/4] RUN --mount=… uv pip …` is `runtime 2/4: uv pip …`."""
    placed = _placed(name[:LONGEST_ERROR])
    if placed is None:
        for pattern, words in _HOUSEKEEPING:
            if (match := re.fullmatch(pattern, name, re.DOTALL)) is not None:
                return match.expand(words)
        return one_line(name)
    stage, position, whole = placed
    instruction, _, rest = whole.strip().partition(" ")
    rest = " ".join(_FLAGS.sub("", rest.strip() + " ", count=1).split()) if rest.startswith("--") else rest
    rest = " ".join(rest.split())
    what = {"FROM": f"base image {rest}", "COPY": f"copy {rest}", "ADD": f"add {rest}", "RUN": rest}.get(
        instruction, f"{instruction.lower()} {rest}"
    )
    what = what if len(what) <= 100 else what[:97] + "…"
    return f"{stage or 'image'} {position}: {what}".strip()
