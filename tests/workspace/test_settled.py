"""A snapshot waits until none of the cluster's libraries is on its way."""

from __future__ import annotations

from typing import Any

import pytest
from databricks.sdk import WorkspaceClient

from dbmirror.workspace.clusters import read
from dbmirror.workspace.errors import LibrariesNotSettled, WorkspaceBusy
from dbmirror.workspace.settled import await_libraries
from tests.workspace.conftest import Workspace, a_cluster
from tests.workspace.test_start_cluster import ID, FastClock, Watch


class Installing(FastClock):
    """A clock under which the libraries go on: each pause makes the next of `states` true."""

    def __init__(self, workspace: Workspace, *states: tuple[str, ...]) -> None:
        super().__init__()
        self._workspace, self._states = workspace, list(states)
        self.sleep(0)
        self.pauses.clear()

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self._states:
            self._workspace.libraries[ID] = [_library(n, state) for n, state in enumerate(self._states.pop(0))]


def _library(number: int, status: str) -> dict[str, Any]:
    return {"library": {"pypi": {"package": f"p{number}==1"}}, "status": status, "messages": []}


def test_it_waits_and_says_what_is_still_to_come(w: WorkspaceClient, workspace: Workspace) -> None:
    workspace.clusters[ID] = a_cluster()
    clock = Installing(
        workspace,
        ("PENDING", "RESOLVING"),
        ("INSTALLING", "INSTALLED"),
        ("INSTALLING", "INSTALLED"),
        ("FAILED", "INSTALLED"),
    )
    watch = Watch()
    state = await_libraries(w, read(w, ID), observer=watch, clock=clock, deadline=60)
    assert [library.status for library in state.cluster.libraries] == ["FAILED", "INSTALLED"]
    assert watch.seen == [
        "libraries: 2 of 2 on their way: 1 pending, 1 resolving",
        "libraries: 1 of 2 on their way: 1 installing",
    ]
    assert clock.pauses == [1.0, 1.5, 2.25]


@pytest.mark.parametrize(
    "status", ["INSTALLED", "FAILED", "SKIPPED", "UNINSTALL_ON_RESTART", "RESTORED", "NEW_IN_2027"]
)
def test_what_stays_as_it_is_is_not_waited_for(w: WorkspaceClient, workspace: Workspace, status: str) -> None:
    workspace.clusters[ID] = a_cluster()
    clock = Installing(workspace, (status,))
    assert await_libraries(w, read(w, ID), clock=clock, deadline=0).cluster.libraries[0].kind == "pypi"
    assert clock.pauses == []


def test_in_the_end_it_names_the_libraries_and_the_option(w: WorkspaceClient, workspace: Workspace) -> None:
    workspace.clusters[ID] = a_cluster()
    clock = Installing(workspace, ("INSTALLING", "INSTALLED", "PENDING"))
    with pytest.raises(LibrariesNotSettled, match=r"After 30 s .* p0==1 \(installing\), p2==1 \(pending\)") as caught:
        await_libraries(w, read(w, ID), clock=clock, deadline=30)
    assert "--timeout SECONDS" in caught.value.remedy
    assert clock.now - 1000 <= 30


def test_a_cluster_that_stops_meanwhile_ends_it(w: WorkspaceClient, workspace: Workspace) -> None:
    workspace.clusters[ID] = a_cluster()
    clock = Installing(workspace, ("INSTALLING",))
    state = read(w, ID)
    workspace.clusters[ID].update(state="TERMINATING")
    with pytest.raises(LibrariesNotSettled, match="became terminating while its libraries"):
        await_libraries(w, state, clock=clock, deadline=30)


def test_one_lost_answer_is_no_end_and_three_are(w: WorkspaceClient, workspace: Workspace) -> None:
    workspace.clusters[ID] = a_cluster()
    clock = Installing(workspace, ("INSTALLING",), ("INSTALLED",))
    state = read(w, ID)
    workspace.hiccups = [(503, {})] * 6
    assert await_libraries(w, state, clock=clock, deadline=60).cluster.libraries[0].status == "INSTALLED"
    workspace.fail = (503, {}, b"{}")
    with pytest.raises(WorkspaceBusy):
        await_libraries(w, state, clock=clock, deadline=60)
