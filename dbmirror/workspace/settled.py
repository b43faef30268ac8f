"""Waiting until a running cluster has installed its libraries: before that, a snapshot would miss some of them."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import Final

from databricks.sdk.clock import Clock, RealClock

from dbmirror.parallel import go_on
from dbmirror.progress import SILENT, Observer
from dbmirror.snapshot import ClusterLibrary
from dbmirror.workspace.client import WorkspaceClient
from dbmirror.workspace.clusters import ClusterState, read
from dbmirror.workspace.errors import LibrariesNotSettled, RateLimited, WorkspaceBusy, WorkspaceUnreachable

STAGE: Final = "libraries"
UNDER_WAY: Final = frozenset({"PENDING", "RESOLVING", "INSTALLING"})
"""The states in which what is installed is still to change. In all others of the Libraries API it stays as it is."""
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 10.0
_FAILURES_IN_A_ROW = 3


def await_libraries(
    w: WorkspaceClient,
    state: ClusterState,
    *,
    observer: Observer = SILENT,
    clock: Clock | None = None,
    deadline: float,
) -> ClusterState:
    """The cluster of `state` as soon as none of its libraries is on its way, after `deadline` seconds at most.

    What is still to come is reported under the stage `libraries`. Raises LibrariesNotSettled where that takes longer or
    the cluster stops meanwhile; ClusterUnknown; WorkspaceError.
    """
    if not _under_way(state):
        return state
    clock = clock or RealClock()
    began, pause, said, failures = clock.time(), _FIRST_PAUSE, "", 0
    cluster_id = state.cluster.cluster_id
    observer.started(STAGE)
    while _under_way(state):
        if (now := _progress(state)) != said:
            observer.advanced(STAGE, now)
            said = now
        if clock.time() - began + pause > deadline:
            raise _not_settled(w, state, deadline)
        go_on()
        clock.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
        try:
            state, failures = read(w, cluster_id), 0
        except (WorkspaceUnreachable, WorkspaceBusy, RateLimited):
            # An installation takes minutes: one lost request is no reason to give up.
            failures += 1
            if failures == _FAILURES_IN_A_ROW:
                raise
        if not state.runs:
            raise LibrariesNotSettled(
                f"The cluster {state.cluster.cluster_name} became {state.state.lower()} while its libraries were being "
                "installed.",
                remedy="Start it and try again; its event log in the workspace says why.",
            )
    observer.finished(STAGE, f"{len(state.cluster.libraries)} settled")
    return state


def _under_way(state: ClusterState) -> list[ClusterLibrary]:
    return [library for library in state.cluster.libraries if library.status in UNDER_WAY]


def _progress(state: ClusterState) -> str:
    """`3 of 10 on their way: 1 installing, 2 pending`."""
    counts = Counter(library.status.lower() for library in _under_way(state))
    words = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    return f"{counts.total()} of {len(state.cluster.libraries)} on their way: {words}"


def _not_settled(w: WorkspaceClient, state: ClusterState, deadline: float) -> LibrariesNotSettled:
    names = [f"{each.specification} ({each.status.lower()})" for each in _under_way(state)]
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return LibrariesNotSettled(
        f"After {deadline:g} s {state.cluster.cluster_name} was still installing libraries: {shown}.",
        remedy="Wait longer with '--timeout SECONDS', or remove one that hangs: "
        f"'databricks libraries cluster-status {state.cluster.cluster_id} --profile "
        f"{shlex.quote(w.config.profile or 'DEFAULT')}' lists them.",
    )
