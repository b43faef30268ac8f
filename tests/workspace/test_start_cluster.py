from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.clock import Clock

from dbmirror.progress import Observer
from dbmirror.workspace.errors import ClusterNotStarted, ClusterUnknown, LoginRefused
from dbmirror.workspace.profiles import client
from dbmirror.workspace.start_cluster import await_restart, start
from tests.workspace.conftest import TOKEN, Workspace, a_cluster

ID = "0101-120000-abcdefgh"


class FastClock(Clock):
    """A clock whose sleep takes no time."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


class Watch(Observer):
    def __init__(self) -> None:
        self.seen: list[str] = []
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def advanced(self, stage: str, text: str = "", *, steps: int = 1) -> None:
        del steps
        self.seen.append(f"{stage}: {text}")


def starts(workspace: Workspace) -> int:
    return sum(path == "/api/2.1/clusters/start" for _, path, _ in workspace.requests)


def test_a_terminated_cluster_is_started_and_waited_for(w: WorkspaceClient, workspace: Workspace) -> None:
    workspace.clusters[ID] = a_cluster(state="TERMINATED", state_message="Inactive")
    workspace.after_start = [
        {"state_message": "Finding instances"},
        {"state_message": "Finding instances"},
        {"state": "RUNNING", "state_message": "", "driver": {"private_ip": "10.0.0.77"}},
    ]
    watch, clock = Watch(), FastClock()
    state = start(w, ID, observer=watch, clock=clock)
    assert (state.state, state.driver_address, starts(workspace)) == ("RUNNING", "10.0.0.77", 1)
    assert watch.seen == ["start: terminated: Inactive", "start: pending: Finding instances", "start: running"]
    assert clock.pauses == [2.0, 3.0, 4.5]


def test_a_running_cluster_is_left_alone(w: WorkspaceClient, workspace: Workspace) -> None:
    workspace.clusters[ID] = a_cluster()
    assert start(w, ID, clock=FastClock()).state == "RUNNING"
    assert starts(workspace) == 0


def test_a_cluster_on_its_way_is_only_waited_for(w: WorkspaceClient, workspace: Workspace) -> None:
    workspace.clusters[ID] = a_cluster(state="PENDING")
    workspace.after_start = [{"state": "PENDING"}, {"state": "RUNNING"}]
    assert start(w, ID, clock=FastClock()).state == "RUNNING"
    assert starts(workspace) == 0


def test_a_cluster_that_is_going_down_is_started_afterwards(w: WorkspaceClient, workspace: Workspace) -> None:
    workspace.clusters[ID] = a_cluster(state="TERMINATING")
    workspace.after_start = [{"state": "TERMINATING"}, {"state": "TERMINATED"}, {"state": "RUNNING"}]
    assert start(w, ID, clock=FastClock()).state == "RUNNING"
    assert starts(workspace) == 1


@pytest.mark.parametrize("end", ["TERMINATED", "ERROR"])
def test_a_start_that_fails_gives_the_reason_in_the_apis_words(
    w: WorkspaceClient, workspace: Workspace, end: str
) -> None:
    workspace.clusters[ID] = a_cluster(state="TERMINATED")
    reason = {
        "code": "CLOUD_PROVIDER_LAUNCH_FAILURE",
        "type": "CLOUD_FAILURE",
        "parameters": {"azure_error_message": "Quota of\ncores exceeded"},
    }
    workspace.after_start = [{}, {"state": end, "state_message": "Could not launch", "termination_reason": reason}]
    with pytest.raises(ClusterNotStarted) as caught:
        start(w, ID, clock=FastClock())
    assert f"is {end}: Could not launch; CLOUD_PROVIDER_LAUNCH_FAILURE CLOUD_FAILURE" in caught.value.message
    assert "azure_error_message: Quota of cores exceeded" in caught.value.message


def test_a_start_that_takes_too_long_says_where_it_stands(w: WorkspaceClient, workspace: Workspace) -> None:
    workspace.clusters[ID] = a_cluster(state="PENDING", state_message="Finding instances")
    clock = FastClock()
    with pytest.raises(ClusterNotStarted, match=r"within 120 s.*pending: Finding instances"):
        start(w, ID, clock=clock, deadline=120)
    assert clock.now - 1000 <= 120
    assert max(clock.pauses) == 15.0


def test_an_unknown_cluster_is_not_waited_for(w: WorkspaceClient) -> None:
    with pytest.raises(ClusterUnknown):
        start(w, ID, clock=FastClock())


# A restart that was ordered

BEFORE = "2025-11-20T10:00:00Z"


def test_a_restart_is_waited_for_also_where_the_old_driver_still_runs_at_the_first_look(
    w: WorkspaceClient, workspace: Workspace
) -> None:
    workspace.clusters[ID] = a_cluster()
    workspace.after_start = [
        {},
        {"state": "RESTARTING", "driver": {}},
        {"state": "RUNNING", "driver": {"private_ip": "10.0.0.77"}, "last_restarted_time": 1_763_640_000_000},
    ]
    state = await_restart(w, ID, before=BEFORE, clock=FastClock())
    assert (state.driver_address, starts(workspace)) == ("10.0.0.77", 0)


def test_a_restart_between_two_looks_is_seen_by_its_time(w: WorkspaceClient, workspace: Workspace) -> None:
    workspace.clusters[ID] = a_cluster()
    workspace.after_start = [{}, {"last_restarted_time": 1_763_640_000_000}]
    clock = FastClock()
    await_restart(w, ID, before=BEFORE, clock=clock)
    assert clock.pauses == [2.0]


@pytest.mark.parametrize("before", [BEFORE, None])
def test_a_cluster_that_ends_in_its_restart_is_not_started(
    w: WorkspaceClient, workspace: Workspace, before: str | None
) -> None:
    workspace.clusters[ID] = a_cluster(state="TERMINATED", state_message="quota")
    with pytest.raises(ClusterNotStarted, match="quota"):
        await_restart(w, ID, before=before, clock=FastClock())
    assert starts(workspace) == 0


CLI = """#!/bin/sh
# Stands for the Databricks CLI, whose `auth token` gives the token that its login has now.
[ "$1" = version ] && {{ echo '{{"Version":"0.269.0"}}'; exit 0; }}
echo "$*" >> {folder}/asked
echo '{{"token_type": "Bearer", "access_token": "'"$(cat {folder}/token)"'", "expiry": "2099-01-01T00:00:00Z"}}'
"""


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose `token` is what the user's Databricks CLI gives out."""
    program = tmp_path / "bin" / "databricks"
    program.parent.mkdir()
    # The SDK takes a smaller one for the old CLI, which was a script.
    program.write_text(CLI.format(folder=tmp_path) + "exit\n" + "#" * (1 << 20))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    (tmp_path / "token").write_text(TOKEN)
    return tmp_path


def test_a_login_that_is_refused_in_the_middle_of_the_wait_is_asked_for_anew(
    workspace: Workspace, write_profiles: Callable[[str], Path], cli: Path
) -> None:
    write_profiles(f"[demo]\nhost = {workspace.host}\nauth_type = databricks-cli\n")
    workspace.clusters[ID] = a_cluster(state="PENDING")
    workspace.after_start = [{"state_message": "Finding instances"}] * 2 + [{"state": "RUNNING", "state_message": ""}]
    w, clock = client("demo"), FastClock()

    def revoke(seconds: float) -> None:
        FastClock.sleep(clock, seconds)
        if len(clock.pauses) == 1:
            workspace.token = "another"
            (cli / "token").write_text("another")

    clock.sleep = revoke  # type: ignore[method-assign]
    watch = Watch()
    assert start(w, ID, observer=watch, clock=clock).state == "RUNNING"
    assert watch.notes == ["The workspace no longer accepts the login; it was made anew."]


def test_a_login_that_stays_refused_ends_the_wait(
    workspace: Workspace, write_profiles: Callable[[str], Path], cli: Path
) -> None:
    write_profiles(f"[demo]\nhost = {workspace.host}\nauth_type = databricks-cli\n")
    workspace.clusters[ID] = a_cluster(state="PENDING")
    w = client("demo")
    workspace.token = "another"
    with pytest.raises(LoginRefused, match="databricks auth login --profile demo"):
        start(w, ID, clock=FastClock())
    assert (cli / "asked").read_text().count("auth token") >= 2


def test_a_personal_token_that_is_refused_ends_the_wait(w: WorkspaceClient, workspace: Workspace) -> None:
    workspace.clusters[ID] = a_cluster(state="PENDING")
    workspace.token = "another"
    with pytest.raises(LoginRefused):
        start(w, ID, clock=FastClock())
