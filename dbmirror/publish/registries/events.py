"""The Docker Engine's push events: what they say of each layer, for whoever watches and for the result."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from dbmirror.progress import Observer

_STEP = 0.1
"""The part of a layer between two lines of progress."""


class PushProgress:
    """What became of the layers, over all attempts of one push: a layer once pushed stays so."""

    def __init__(self, stage: str, observer: Observer) -> None:
        self._stage = stage
        self._observer = observer
        self._told: dict[str, float] = {}
        self.pushed: set[str] = set()
        """Short ids of layers that were sent."""
        self.reused: set[str] = set()
        """Short ids of layers that the registry had, in this repository or in another."""
        self.digest: str | None = None
        """The manifest's digest, once the engine says it."""
        self.moved = time.monotonic()
        """When the engine said something last."""
        self.last = ""
        """What it said last of a layer."""

    def follow(self, events: Iterable[Mapping[str, Any]]) -> str | None:
        """Read `events` to their end; the registry's or the engine's words where the push failed, else None."""
        failure: str | None = None
        self.last = ""
        for event in events:
            self.moved = time.monotonic()
            detail = event.get("errorDetail")
            if isinstance(detail, Mapping) or "error" in event:
                words = detail.get("message") if isinstance(detail, Mapping) else None
                failure = str(words or event.get("error") or "the push failed")
            self._take(event)
        return failure

    def _take(self, event: Mapping[str, Any]) -> None:
        aux = event.get("aux")
        if isinstance(aux, Mapping) and isinstance(aux.get("Digest"), str):
            self.digest = aux["Digest"]
        layer, status = event.get("id"), str(event.get("status") or "")
        if not isinstance(layer, str):
            return
        self.last = f"layer {layer}: {status.lower()}"
        if status == "Pushing":
            self._tell_part(layer, event.get("progressDetail") or {})
        elif status == "Pushed":
            self._arrived(layer, "pushed")
            self.pushed.add(layer)
        elif status == "Layer already exists" or status.startswith("Mounted from"):
            self._arrived(layer, "already there")
            self.reused.add(layer)
        elif status.startswith("Retrying"):
            # The engine counts the seconds down; the first of them is enough.
            if layer not in self._told or self._told[layer] >= 0:
                self._observer.warn(f"{self._stage}: layer {layer} failed; the Docker Engine is {status.lower()}.")
            self._told[layer] = -1.0

    def _arrived(self, layer: str, how: str) -> None:
        if layer not in self.pushed | self.reused:
            self._observer.advanced(self._stage, f"layer {layer} {how}")

    def _tell_part(self, layer: str, detail: Mapping[str, Any]) -> None:
        current, total = detail.get("current"), detail.get("total")
        if not (isinstance(current, int) and isinstance(total, int) and total > 0):
            return
        text = f"layer {layer}: {current / 1e6:.1f} of {total / 1e6:.1f} MB"
        self.last = text
        part = min(current / total, 1.0)
        if part < 1.0 and part - max(self._told.get(layer, 0.0), 0.0) >= _STEP:
            self._told[layer] = part
            self._observer.advanced(self._stage, text, steps=0)
