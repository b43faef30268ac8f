"""The real databricks-sdk against the stand-in workspace."""

from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.clock import RealClock
from databricks.sdk.errors import (
    DatabricksError,
    InvalidState,
    NotFound,
    PermissionDenied,
    ResourceDoesNotExist,
    Unauthenticated,
)
from databricks.sdk.service.compute import DataSecurityMode, EventType, LibraryInstallStatus, State

from dbmirror.sandbox.workspace.fleet import Fleet
from dbmirror.sandbox.workspace.server import Workspace


def other(client: WorkspaceClient, name: str) -> str:
    return next(str(cluster.cluster_id) for cluster in client.clusters.list() if cluster.cluster_name == name)


def test_the_current_user_is_known(client: WorkspaceClient) -> None:
    assert client.current_user.me().user_name == "sandbox@dbmirror.example"


def test_the_host_says_what_it_is_before_anybody_authenticates(client: WorkspaceClient) -> None:
    assert client.config.workspace_id


def test_all_kinds_of_cluster_are_listed_over_several_pages(client: WorkspaceClient, fleet: Fleet) -> None:
    fleet.open()
    clusters = {cluster.cluster_name: cluster for cluster in client.clusters.list()}
    assert set(clusters) == {"demo", "nightly", "training", "team", "graviton", "keyless"}
    assert clusters["demo"].state is State.RUNNING
    assert clusters["nightly"].state is State.TERMINATED
    assert "-ml-" in str(clusters["training"].spark_version)
    assert clusters["team"].data_security_mode is DataSecurityMode.USER_ISOLATION
    graviton = {kind.node_type_id for kind in client.clusters.list_node_types().node_types or () if kind.is_graviton}
    assert clusters["graviton"].node_type_id in graviton
    assert not clusters["keyless"].ssh_public_keys
    assert clusters["demo"].ssh_public_keys == ["ssh-ed25519 AAAA"]


def test_a_terminated_cluster_can_be_started_and_waited_for(client: WorkspaceClient) -> None:
    started = client.clusters.start(other(client, "nightly"))
    running = started.result()
    assert running.state is State.RUNNING
    assert running.driver is not None
    assert running.driver.public_dns == "10.0.0.1"


def test_restart_and_terminate_are_waited_for_too(client: WorkspaceClient, fleet: Fleet) -> None:
    fleet.open()
    restarted = client.clusters.restart("1-2-first").result()
    assert restarted.driver is not None
    assert restarted.driver.public_dns == "10.0.0.2"
    assert client.clusters.delete("1-2-first").result().state is State.TERMINATED


def test_an_edit_gives_a_cluster_a_key(client: WorkspaceClient, machines: Any) -> None:
    cluster_id = other(client, "keyless")
    client.clusters.edit(cluster_id, spark_version="15.4.x-scala2.12", num_workers=0, ssh_public_keys=["ssh-rsa B"])
    client.clusters.start(cluster_id).result()
    assert machines.booted == [(cluster_id, ("ssh-rsa B",))]


def test_what_happened_is_told_newest_first(client: WorkspaceClient, fleet: Fleet) -> None:
    fleet.open()
    kinds = [event.type for event in client.clusters.events("1-2-first")]
    assert kinds == [EventType.RUNNING, EventType.STARTING, EventType.CREATING]


def test_events_come_in_pages(client: WorkspaceClient, fleet: Fleet) -> None:
    fleet.open()
    assert len(list(client.clusters.events("1-2-first", limit=1))) == 3


def test_libraries_have_states_and_the_failed_one_a_message(client: WorkspaceClient, fleet: Fleet) -> None:
    fleet.open()
    statuses = list(client.libraries.cluster_status("1-2-first"))
    failed = [status for status in statuses if status.status is LibraryInstallStatus.FAILED]
    assert len(failed) == 1
    assert "dbmirror-sandbox-missing" in " ".join(failed[0].messages or ())
    assert all(status.status is LibraryInstallStatus.INSTALLED for status in statuses if status not in failed)


def test_libraries_of_a_terminated_cluster_are_pending(client: WorkspaceClient) -> None:
    states = {status.status for status in client.libraries.cluster_status("1-2-first")}
    assert states == {LibraryInstallStatus.PENDING}


def test_an_unknown_cluster_does_not_exist(client: WorkspaceClient) -> None:
    with pytest.raises(ResourceDoesNotExist, match="does not exist"):
        client.clusters.get("0-0-none")


def test_starting_a_running_cluster_is_an_invalid_state(client: WorkspaceClient, fleet: Fleet) -> None:
    fleet.open()
    with pytest.raises(InvalidState, match="Running"):
        client.clusters.start("1-2-first")


def test_a_wrong_token_is_refused(client: WorkspaceClient) -> None:
    stranger = WorkspaceClient(host=client.config.host, token="dapi-of-somebody-else")
    with pytest.raises(PermissionDenied, match="Invalid access token"):
        stranger.current_user.me()


def test_an_expired_token_is_refused_until_it_is_renewed(
    client: WorkspaceClient, workspace: tuple[Workspace, int]
) -> None:
    workspace[0].faults.token_expired = True
    with pytest.raises(PermissionDenied, match="Invalid access token"):
        client.current_user.me()
    workspace[0].faults.token_expired = False
    assert client.current_user.me().active


def test_no_credentials_at_all_are_unauthenticated(client: WorkspaceClient) -> None:
    stranger = WorkspaceClient(host=client.config.host, username="somebody", password="else", auth_type="basic")
    with pytest.raises(Unauthenticated, match="Credential was not sent"):
        stranger.current_user.me()


def test_an_unknown_call_is_not_found(client: WorkspaceClient) -> None:
    with pytest.raises(NotFound, match="No API found"):
        client.jobs.get(1)


def test_a_passing_outage_is_got_over_by_the_sdk(
    client: WorkspaceClient, workspace: tuple[Workspace, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RealClock, "sleep", lambda _self, _seconds: None)
    workspace[0].faults.fail_next = 1
    assert client.current_user.me().active
    assert workspace[0].faults.fail_next == 0


def test_a_lasting_failure_is_an_error(client: WorkspaceClient, workspace: tuple[Workspace, int]) -> None:
    workspace[0].faults.fail_next, workspace[0].faults.status = 1, 500
    with pytest.raises(DatabricksError):
        client.current_user.me()
