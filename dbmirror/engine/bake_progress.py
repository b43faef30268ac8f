"""The event stream of `docker buildx bake`, taken apart into the progress of each of its targets."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from dbmirror.engine.rawjson import BuildProgress, EventLines
from dbmirror.progress import Observer

CANCELED: Final = "context canceled"
"""In the error of a step that was stopped only because another one had failed."""
_PREFIX = re.compile(r"\[(?P<target>[A-Za-z0-9_-]+)(?P<rest>[ \]].*)\Z", re.DOTALL)


class BakeProgress:
    """Reads the stream line by line; `builds` has one BuildProgress for each target.

    With several targets, bake writes the target's name in front of each step: `[demo image 2/4] RUN …`. With a single
    one it does not.

    A step that several targets share runs once, and each of them reports it. Usually all report it under one digest.
    Where BuildKit finds only during the build that two steps are the same, the second target first reports the first
    one's digest, and its own digest, as cached, at the end. `_same` leads from the one to the other.
    """

    def __init__(self, stages: Mapping[str, str], observer: Observer) -> None:
        self.builds = {target: BuildProgress(observer, stage=stage) for target, stage in stages.items()}
        self.last_event: dict[str, float] = {}
        """When each target was last heard of, by the monotonic clock."""
        self._lines = EventLines()
        self._targets: dict[str, set[str]] = defaultdict(set)
        self._own: dict[tuple[str, str], str] = {}
        """The digest of each target's step by its name, which no two steps of a target share."""
        self._same: dict[tuple[str, str], str] = {}
        """For each target, another's digest to its own."""
        self._first_error = ""

    @property
    def last_start(self) -> float:
        """When the last step of any target began, by the monotonic clock."""
        return max(build.last_start for build in self.builds.values())

    @property
    def failed(self) -> tuple[str, ...]:
        """The targets that have the step which failed first; what failed after it may have been cancelled with it."""
        return tuple(target for target in self.builds if target in self._targets.get(self._first_error, ()))

    def feed(self, line: str) -> None:
        """Take one line of the stream."""
        event = self._lines.feed(line)
        if event is None:
            return
        shares: dict[str, dict[str, list[Any]]] = defaultdict(lambda: {"vertexes": [], "logs": []})
        for vertex in event.get("vertexes") or ():
            target, name = self._split(str(vertex.get("name", "")))
            if target is None:
                continue
            digest = str(vertex.get("digest", ""))
            self._targets[digest].add(target)
            if vertex.get("error") and CANCELED not in vertex["error"]:
                self._first_error = self._first_error or digest
            shares[target]["vertexes"].append(self._as_own(target, {**vertex, "name": name, "digest": digest}))
        for entry in event.get("logs") or ():
            for target in self._targets.get(str(entry.get("vertex", "")), ()):
                digest = self._same.get((target, entry["vertex"]), entry["vertex"])
                shares[target]["logs"].append({**entry, "vertex": digest})
        for target, share in shares.items():
            self.last_event[target] = time.monotonic()
            self.builds[target].take(share)

    def end(self) -> None:
        """The stream ended. What bake itself said is a remark of every target."""
        self._lines.end()
        for build in self.builds.values():
            build.end()
            build.remarks.extend(self._lines.remarks)

    def _as_own(self, target: str, vertex: dict[str, Any]) -> dict[str, Any]:
        """`vertex` under the target's own digest; a step that ran for several targets is cached for none of them."""
        digest = vertex["digest"]
        own = self._own.setdefault((target, vertex["name"]), digest)
        if digest != own:
            self._same[target, digest] = own
        elif own in self._same.values():
            return {**vertex, "cached": False}
        return {**vertex, "digest": own}

    def _split(self, name: str) -> tuple[str | None, str]:
        """The target that a step is of, None for bake's own, and the step's name without it."""
        if len(self.builds) == 1:
            return next(iter(self.builds)), name
        match = _PREFIX.match(name)
        if match is None or match["target"] not in self.builds:
            return None, name
        rest = match["rest"].lstrip()
        return match["target"], rest.removeprefix("]").lstrip() if rest.startswith("]") else f"[{rest}"
