"""The libraries of the stand-in's clusters, in all states that the Libraries API knows; nothing is installed by it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from dbmirror.sandbox.workspace.fleet import ApiError, Fleet

_ON_THE_WAY: Final = ("PENDING", "RESOLVING", "INSTALLING")
_SCALA: Final = re.compile(r"_(2\.1[0-9]):")
Statuses = list[dict[str, Any]]


class Libraries:
    """What each cluster has as libraries, and how far they have come since it started. Safe to use from threads."""

    def __init__(
        self, fleet: Fleet, first: Sequence[dict[str, Any]], *, settling: float, now: Callable[[], float]
    ) -> None:
        self._fleet = fleet
        self._stated: dict[str, Statuses] = {fleet.first_id: list(first)}
        self._leaving: dict[str, list[tuple[dict[str, Any], int]]] = {}
        self._settling = settling
        self._now = now
        self._lock = threading.Lock()

    def statuses(self, cluster_id: str) -> Statuses:
        """As libraries/cluster-status states them."""
        cluster = self._fleet.get(cluster_id)
        started = cluster.get("last_restarted_time", 0)
        with self._lock:
            self._uninstall(cluster_id, started)
            leaving = [library for library, _ in self._leaving.get(cluster_id, [])]
            return [
                {**each, "status": "UNINSTALL_ON_RESTART"}
                if each["library"] in leaving
                else {**each, **self._progress(cluster, number, started)}
                for number, each in enumerate(self._stated.get(cluster_id, []))
            ]

    def install(self, cluster_id: str, libraries: Sequence[dict[str, Any]]) -> None:
        """Let the cluster have these libraries, too: SKIPPED those of another Scala, FAILED all others."""
        scala = str(self._fleet.get(cluster_id)["spark_version"]).rpartition("scala")[2]
        with self._lock:
            known = self._stated.setdefault(cluster_id, [])
            known += [_added(library, scala) for library in libraries]

    def uninstall(self, cluster_id: str, libraries: Sequence[dict[str, Any]]) -> None:
        """Take these libraries from the cluster at its next start."""
        started = self._fleet.get(cluster_id).get("last_restarted_time", 0)
        with self._lock:
            stated = [each["library"] for each in self._stated.get(cluster_id, [])]
            unknown = [library for library in libraries if library not in stated]
            if unknown:
                raise ApiError(400, "INVALID_PARAMETER_VALUE", f"Library {unknown[0]} is not installed.")
            self._leaving.setdefault(cluster_id, []).extend((library, started) for library in libraries)

    def _uninstall(self, cluster_id: str, started: int) -> None:
        """Forget what was to go at the next start, where there was one."""
        leaving = self._leaving.get(cluster_id, [])
        gone = [library for library, since in leaving if since != started]
        self._leaving[cluster_id] = [each for each in leaving if each[0] not in gone]
        self._stated[cluster_id] = [each for each in self._stated.get(cluster_id, []) if each["library"] not in gone]

    def _progress(self, cluster: Mapping[str, Any], number: int, started: int) -> dict[str, Any]:
        """How far the library `number` has come; nothing once it is settled."""
        if cluster["state"] != "RUNNING":
            return {"status": "PENDING", "messages": []}
        # One after the other goes through the states, so that several are seen at a time.
        step = int((self._now() - started / 1000) / self._settling * 6) - number % 3 if self._settling else 6
        return {"status": _ON_THE_WAY[max(step, 0)], "messages": []} if step < len(_ON_THE_WAY) else {}


def _added(library: dict[str, Any], scala: str) -> dict[str, Any]:
    other = _SCALA.search(str((library.get("maven") or {}).get("coordinates", "")))
    skipped = other is not None and other[1] != scala
    message = (
        f"Library installation was skipped: the library is for Scala {other[1] if other else ''}."
        if skipped
        else "This stand-in workspace installs nothing on its driver."
    )
    return {
        "library": library,
        "status": "SKIPPED" if skipped else "FAILED",
        "messages": [message],
        "is_library_for_all_clusters": False,
    }
