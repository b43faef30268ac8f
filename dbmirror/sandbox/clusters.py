"""What happens to a cluster: stopped, started, restarted or lost by a command, as on a page of a real workspace."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Any, Final

from dbmirror.folders import sandbox_folder
from dbmirror.parallel import go_on
from dbmirror.progress import SILENT, Observer
from dbmirror.sandbox.errors import SandboxRefused, WorkspaceNotAnswering
from dbmirror.sandbox.state import Record, read_record
from dbmirror.sandbox.workspace import process

STAGE: Final = "cluster"
_SECONDS: Final = 180.0
_PAUSE: Final = 0.2


class Happening(StrEnum):
    """What can happen to a cluster."""

    STOP = "stop"
    START = "start"
    RESTART = "restart"
    BREAK = "break"


_ORDERS: Final = {
    Happening.STOP: ("terminate", "TERMINATED"),
    Happening.START: ("start", "RUNNING"),
    Happening.RESTART: ("restart", "RUNNING"),
    Happening.BREAK: ("lose", "TERMINATED"),
}
"""The workspace's order, and the state that it leads to."""

_DONE: Final = {
    Happening.STOP: "stopped",
    Happening.START: "started",
    Happening.RESTART: "restarted",
    Happening.BREAK: "broken",
}


def happen(what: Happening, cluster: str | None = None, *, observer: Observer = SILENT) -> dict[str, Any]:
    """Let `what` happen to the cluster of that name or id (None: the sandbox's own), and return its end as JSON.

    Raises SandboxRefused where there is no sandbox, no such cluster, or its state forbids it; WorkspaceNotAnswering
    where it does not come about.
    """
    record = read_record()
    if record is None:
        raise SandboxRefused("The sandbox is down.", remedy="Bring it up: dbmirror sandbox up")
    found = _find(record, cluster)
    order, wanted = _ORDERS[what]
    _require_possible(what, found)
    observer.started(STAGE)
    process.ask(record.port, process.read_token(sandbox_folder()), order, {"cluster_id": found["cluster_id"]})
    return _await(record, found["cluster_id"], wanted, observer)


def _require_possible(what: Happening, cluster: dict[str, Any]) -> None:
    name, state = cluster["cluster_name"], cluster["state"]
    needs = "TERMINATED" if what is Happening.START else "RUNNING"
    if state == needs:
        return
    other = Happening.STOP if what is Happening.START else Happening.START
    raise SandboxRefused(
        f"{name} is {state.lower()}, so it cannot be {_DONE[what]}.",
        remedy=f"'dbmirror sandbox cluster {other} --cluster {name}' changes that."
        if state in {"RUNNING", "TERMINATED"}
        else "Try again in some seconds.",
    )


def _find(record: Record, wanted: str | None) -> dict[str, Any]:
    clusters = process.ask(record.port, process.read_token(sandbox_folder()), "state", timeout=5)["clusters"]
    wanted = wanted or record.cluster_id
    for cluster in clusters:
        if wanted in {cluster["cluster_id"], cluster["cluster_name"]}:
            return dict(cluster)
    raise SandboxRefused(
        f"The sandbox has no cluster {wanted!r}.",
        remedy=f"It has: {', '.join(cluster['cluster_name'] for cluster in clusters)}.",
    )


def _await(record: Record, cluster_id: str, wanted: str, observer: Observer) -> dict[str, Any]:
    deadline, said = time.monotonic() + _SECONDS, ""
    while time.monotonic() < deadline:
        cluster = _find(record, cluster_id)
        words = f"{cluster['state'].lower()}: {cluster.get('state_message') or ''}".rstrip(": ")
        if words != said:
            observer.advanced(STAGE, words)
            said = words
        if cluster["state"] == wanted:
            observer.finished(STAGE, f"{cluster['cluster_name']} is {words}")
            return cluster
        if cluster["state"] == "TERMINATED":
            break
        go_on()
        time.sleep(_PAUSE)
    raise WorkspaceNotAnswering(f"The cluster {cluster_id} did not become {wanted.lower()}: it is {said}.")
