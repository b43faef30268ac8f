"""A workspace that is busy for a moment ends nothing: it is asked again, within a limit that the message names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient

from dbmirror.workspace import errors, patience
from dbmirror.workspace.clusters import list_clusters
from dbmirror.workspace.patience import ATTEMPTS
from dbmirror.workspace.profiles import client
from dbmirror.workspace.start_cluster import start
from tests.workspace.conftest import TOKEN, Workspace, a_cluster
from tests.workspace.test_start_cluster import ID, FastClock

SOON = {"Retry-After": "1", "Content-Type": "application/json"}
NONE = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "hiccups", [[(500, NONE)], [(429, SOON), (429, SOON)], [(504, NONE), (504, NONE)], [(502, NONE), (503, SOON)]]
)
def test_a_moment_of_failing_is_waited_for(
    w: WorkspaceClient, workspace: Workspace, hiccups: list[tuple[int, dict[str, str]]]
) -> None:
    workspace.clusters[ID] = a_cluster()
    workspace.hiccups = list(hiccups)
    assert [each.cluster_id for each in list_clusters(w)] == [ID]


@pytest.mark.parametrize(("status", "error"), [(500, errors.WorkspaceBusy), (504, errors.WorkspaceBusy)])
def test_the_limit_is_named_where_it_goes_on(
    w: WorkspaceClient, workspace: Workspace, status: int, error: type[errors.WorkspaceError]
) -> None:
    workspace.fail = (status, NONE, b'{"error_code": "X", "message": "It broke"}')
    with pytest.raises(error, match=f"asked up to {ATTEMPTS} times: It broke"):
        list_clusters(w)
    assert sum("clusters/list" in path for _, path, _ in workspace.requests) == ATTEMPTS


def test_what_changes_the_workspace_is_not_sent_twice(w: WorkspaceClient, workspace: Workspace) -> None:
    workspace.clusters[ID] = a_cluster()
    workspace.hiccups = [(500, NONE)]
    with pytest.raises(Exception, match="Try later"):
        w.clusters.start(ID)
    assert [method for method, path, _ in workspace.requests if path.endswith("/start")] == ["POST"]


def test_a_start_that_is_paid_for_outlives_a_longer_failure(w: WorkspaceClient, workspace: Workspace) -> None:
    workspace.clusters[ID] = a_cluster(state="PENDING")
    workspace.after_start = [{"state_message": "Finding instances"}, {"state": "RUNNING", "state_message": ""}]
    workspace.hiccups = [(504, NONE)] * (ATTEMPTS + 1)
    assert start(w, ID, clock=FastClock()).state == "RUNNING"


def test_no_answer_makes_it_wait_longer_than_the_limit(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, write_profiles: Callable[[str], Path]
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(patience, "LONGEST_PAUSE", 10)
    monkeypatch.setattr("urllib3.util.retry.time.sleep", pauses.append)
    workspace.clusters[ID] = a_cluster()
    workspace.hiccups = [(429, {"Retry-After": "86400", "Content-Type": "application/json"})]
    write_profiles(f"[demo]\nhost = {workspace.host}\ntoken = {TOKEN}\n")
    list_clusters(client("demo"))
    assert pauses == [10]
