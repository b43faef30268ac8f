"""Which start of its cluster a driver's host key was pinned at: after another start, another key is no surprise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from dbmirror.files import canonical_json, write_atomically
from dbmirror.foreign_text.characters import one_line
from dbmirror.foreign_text.decoding import decode_json

_LARGEST = 1 << 20


def start_mark(cluster: Mapping[str, Any]) -> str:
    """What tells this start of a cluster (as clusters/get states it) from others: time, Spark's context, machine."""
    driver = cluster.get("driver")
    machine = driver if isinstance(driver, dict) else {}
    marks = (
        cluster.get("last_restarted_time") or cluster.get("start_time"),
        cluster.get("spark_context_id"),
        machine.get("node_id"),
        machine.get("instance_id"),
    )
    return one_line("/".join(str(mark or "")[:100] for mark in marks))


class PinnedStarts:
    """A file beside that of the pinned keys: a mark of the start by the cluster's id."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def start(self, name: str) -> str | None:
        """The start at which the key of `name` was seen last; None where nobody noted it."""
        return self._read().get(name)

    def note(self, name: str, start: str) -> None:
        """Note that the key that is pinned for `name` was seen at this `start`."""
        known = self._read()
        if known.get(name) != start:
            write_atomically(self.path, canonical_json({**known, name: start}), mode=0o600)

    def forget(self, name: str) -> None:
        """Drop what is noted of `name`, and the file with the last note."""
        known = self._read()
        if known.pop(name, None) is not None and known:
            write_atomically(self.path, canonical_json(known), mode=0o600)
        elif not known:
            self.path.unlink(missing_ok=True)

    def _read(self) -> dict[str, str]:
        try:
            with self.path.open("rb") as stream:
                return decode_json(stream.read(_LARGEST), dict[str, str])
        except (OSError, msgspec.DecodeError):
            # Without a note the key counts as one of this start: it must not change.
            return {}
