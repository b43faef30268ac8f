from __future__ import annotations

from typing import Any

import pytest
from databricks.sdk import WorkspaceClient

from dbmirror.errors import DbmirrorError
from dbmirror.snapshot import Cluster, ClusterLibrary
from dbmirror.workspace import errors
from dbmirror.workspace.clusters import find_cluster, list_clusters, read
from tests.workspace.conftest import TOKEN, Workspace, a_cluster

ID = "0101-120000-abcdefgh"


def hold(workspace: Workspace, *clusters: dict[str, Any]) -> None:
    workspace.clusters = {cluster["cluster_id"]: cluster for cluster in clusters}


# Lists and judgements


def test_a_running_cluster_with_a_key_can_be_mirrored(w: WorkspaceClient, workspace: Workspace) -> None:
    hold(workspace, a_cluster())
    (cluster,) = list_clusters(w)
    assert (cluster.can_snapshot, cluster.needs_start, cluster.cannot_run_image) == (True, False, ())


def test_a_terminated_cluster_can_be_mirrored_after_a_start(w: WorkspaceClient, workspace: Workspace) -> None:
    hold(workspace, a_cluster(state="TERMINATED", driver={}))
    (cluster,) = list_clusters(w)
    assert (cluster.can_snapshot, cluster.needs_start) == (True, True)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ssh_public_keys": []}, "it has no SSH key"),
        ({"driver": None}, "no address of its driver"),
        ({"driver": {"private_ip": "", "public_dns": ""}}, "no address of its driver"),
        ({"state": "ERROR", "state_message": "Lost\nit"}, "in state ERROR: Lost it"),
        ({"state": "TERMINATED", "cluster_source": "JOB"}, "belongs to a job"),
    ],
)
def test_what_cannot_be_read_says_why(
    w: WorkspaceClient, workspace: Workspace, changes: dict[str, Any], reason: str
) -> None:
    hold(workspace, a_cluster(**changes))
    (cluster,) = list_clusters(w)
    assert [reason in text for text in cluster.cannot_snapshot] == [True]
    assert cluster.cannot_run_image == ()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"spark_version": "15.4.x-cpu-ml-scala2.12"}, "ML runtimes"),
        ({"use_ml_runtime": True}, "ML runtimes"),
        ({"spark_version": "17.x-snapshot-scala2.13"}, "no released one"),
        ({"spark_version": "custom:local__1"}, "no released one"),
        ({"data_security_mode": "USER_ISOLATION"}, "need dedicated"),
        ({"data_security_mode": "DATA_SECURITY_MODE_STANDARD"}, "need dedicated"),
        ({"node_type_id": "m6gd.large"}, "m6gd.large is no x86"),
        ({"node_type_id": "Standard_D4ps_v5"}, "Standard_D4ps_v5 is no x86"),
        ({"driver_node_type_id": "t2a-standard-4"}, "t2a-standard-4 is no x86"),
    ],
)
def test_what_can_be_read_but_runs_no_image_says_why(
    w: WorkspaceClient, workspace: Workspace, changes: dict[str, Any], reason: str
) -> None:
    hold(workspace, a_cluster(**changes))
    (cluster,) = list_clusters(w)
    assert cluster.can_snapshot
    assert [reason in text for text in cluster.cannot_run_image] == [True]


@pytest.mark.parametrize(
    "node", ["m5.large", "g4dn.xlarge", "g5.xlarge", "i3.xlarge", "Standard_NC4as_T4_v3", "n2-standard-4"]
)
def test_x86_nodes_are_no_obstacle(w: WorkspaceClient, workspace: Workspace, node: str) -> None:
    hold(workspace, a_cluster(node_type_id=node, driver_node_type_id=node))
    assert list_clusters(w)[0].cannot_run_image == ()


def test_clusters_are_listed_by_name(w: WorkspaceClient, workspace: Workspace) -> None:
    hold(workspace, a_cluster("2-b", cluster_name="Zeta"), a_cluster("2-a", cluster_name="alpha"))
    assert [cluster.cluster_name for cluster in list_clusters(w)] == ["alpha", "Zeta"]


def test_a_name_with_a_control_character_is_refused(w: WorkspaceClient, workspace: Workspace) -> None:
    hold(workspace, a_cluster(cluster_name="x\nRUN id"))
    with pytest.raises(errors.AnswerInvalid):
        list_clusters(w)


# One cluster


def test_a_cluster_is_found_by_its_id_or_name(w: WorkspaceClient, workspace: Workspace) -> None:
    hold(workspace, a_cluster(), a_cluster("0101-120000-other", cluster_name="other"))
    assert find_cluster(w, ID).cluster_name == "analytics"
    assert find_cluster(w, "other").cluster_id == "0101-120000-other"
    assert find_cluster(w, None, "other").cluster_id == "0101-120000-other"
    assert find_cluster(w, "analytics", "other").cluster_id == ID


def test_an_unknown_cluster_lists_the_choices(w: WorkspaceClient, workspace: Workspace) -> None:
    hold(workspace, a_cluster())
    for wanted in ("nothing", "0101-120000-none"):
        with pytest.raises(errors.ClusterUnknown, match=f"no cluster '{wanted}'") as caught:
            find_cluster(w, wanted)
        assert f"analytics ({ID}, running)" in caught.value.remedy


def test_of_two_of_a_name_the_running_one_is_meant(w: WorkspaceClient, workspace: Workspace) -> None:
    hold(workspace, a_cluster("1-a", state="TERMINATED"), a_cluster("1-b"))
    assert find_cluster(w, "analytics").cluster_id == "1-b"


def test_an_ambiguous_name_lists_the_choices(w: WorkspaceClient, workspace: Workspace) -> None:
    hold(workspace, a_cluster("1-a"), a_cluster("1-b"))
    with pytest.raises(errors.ClusterAmbiguous) as caught:
        find_cluster(w, "analytics")
    assert caught.value.remedy == "Choose one by its id: analytics (1-a, running), analytics (1-b, running)."


def test_without_a_name_the_only_one_that_can_be_mirrored_is_meant(w: WorkspaceClient, workspace: Workspace) -> None:
    hold(workspace, a_cluster("1-a", ssh_public_keys=[]), a_cluster("1-b", cluster_name="b"))
    assert find_cluster(w, None).cluster_id == "1-b"


def test_without_any_that_can_be_mirrored_it_says_so(w: WorkspaceClient, workspace: Workspace) -> None:
    with pytest.raises(errors.ClusterUnknown, match="that can be mirrored"):
        find_cluster(w, None)
    hold(workspace, a_cluster(ssh_public_keys=[]))
    with pytest.raises(errors.ClusterUnknown, match="that can be mirrored"):
        find_cluster(w, None)


# All of one


def test_all_facts_of_a_cluster_are_read(w: WorkspaceClient, workspace: Workspace) -> None:
    scripts = [{"workspace": {"destination": "/Shared/a.sh"}}, {"volumes": {"destination": "/Volumes/b.sh"}}]
    hold(workspace, a_cluster(init_scripts=scripts, docker_image={"url": "https://u:p@reg.example/image:1"}))
    workspace.libraries[ID] = [
        {"library": {"pypi": {"package": "simplejson==3.8.0"}}, "status": "INSTALLED"},
        {"library": {"jar": "dbfs:/a.jar"}, "status": "FAILED", "messages": ["line one\nline two"]},
    ]
    state = read(w, ID)
    assert state.cluster == Cluster(
        cluster_id=ID,
        cluster_name="analytics",
        spark_version="15.4.x-scala2.12",
        node_type="Standard_DS3_v2",
        driver_node_type="Standard_DS3_v2",
        access_mode="SINGLE_USER",
        runtime_engine="PHOTON",
        docker_image="https://reg.example/image:1",
        init_scripts=("/Shared/a.sh", "/Volumes/b.sh"),
        uses_volumes=True,
        libraries=(
            ClusterLibrary(kind="jar", specification="dbfs:/a.jar", status="FAILED", messages=("line one line two",)),
            ClusterLibrary(kind="pypi", specification="simplejson==3.8.0", status="INSTALLED"),
        ),
    )
    assert (state.state, state.driver_address, state.started_at) == ("RUNNING", "10.139.64.4", "2025-11-20T10:00:00Z")
    assert [key.startswith("SHA256:") and key.endswith("(ED25519)") for key in state.ssh_keys] == [True]


def test_a_public_name_of_the_driver_is_preferred(w: WorkspaceClient, workspace: Workspace) -> None:
    hold(workspace, a_cluster(driver={"private_ip": "10.0.0.1", "public_dns": "ec2.example"}))
    assert read(w, ID).driver_address == "ec2.example"


def test_a_terminated_cluster_has_no_address(w: WorkspaceClient, workspace: Workspace) -> None:
    cluster = a_cluster(state="TERMINATED", state_message="Inactive for\n60 minutes")
    del cluster["driver"]
    hold(workspace, cluster)
    state = read(w, ID)
    assert (state.driver_address, state.state_message) == (None, "Inactive for 60 minutes")


@pytest.mark.parametrize("address", ["-oProxyCommand=id", "a b", "a;id", "$(id)", "10.0.0.1\nx"])
def test_a_hostile_address_is_refused(w: WorkspaceClient, workspace: Workspace, address: str) -> None:
    hold(workspace, a_cluster(driver={"private_ip": address}))
    with pytest.raises(errors.AnswerInvalid):
        read(w, ID)


@pytest.mark.parametrize(
    ("library", "specification"),
    [
        (
            {"pypi": {"package": "a==1", "repo": "https://user:secret@index.example/simple?token=secret"}},
            "a==1 --index-url https://index.example/simple",
        ),
        (
            {"pypi": {"package": "git+https://oauth2:secret@git.example/a.git@main"}},
            "git+https://git.example/a.git@main",
        ),
        ({"pypi": {"package": "git+ssh://git@git.example/a.git"}}, "git+ssh://git@git.example/a.git"),
        (
            {"maven": {"coordinates": "g:a:1", "repo": "https://u:secret@repo.example"}},
            "g:a:1 --repository https://repo.example",
        ),
        ({"cran": {"package": "ada", "repo": "https://cran.example"}}, "ada --repository https://cran.example"),
        ({"whl": "abfss://box@account.example/a.whl"}, "abfss://box@account.example/a.whl"),
        ({"whl": "s3a://KEY:secret@bucket/a.whl"}, "s3a://bucket/a.whl"),
        ({"jar": "https://files.example/a.jar?sig=secret"}, "https://files.example/a.jar"),
        ({"requirements": "/Workspace/Shared/requirements.txt"}, "/Workspace/Shared/requirements.txt"),
    ],
)
def test_no_library_carries_credentials(
    w: WorkspaceClient, workspace: Workspace, library: dict[str, Any], specification: str
) -> None:
    hold(workspace, a_cluster())
    message = "Looking in indexes: https://user:secret@index.example/simple"
    workspace.libraries[ID] = [{"library": library, "status": "INSTALLED", "messages": [message]}]
    (found,) = read(w, ID).cluster.libraries
    assert found.specification == specification
    assert "secret" not in repr(found)


def test_the_order_of_the_answer_makes_no_difference(w: WorkspaceClient, workspace: Workspace) -> None:
    hold(workspace, a_cluster())
    libraries = [{"library": {"pypi": {"package": name}}, "status": "INSTALLED"} for name in ("b", "a")]
    workspace.libraries[ID] = libraries
    before = read(w, ID)
    workspace.libraries[ID] = libraries[::-1]
    assert read(w, ID) == before


# Errors


@pytest.mark.parametrize(
    ("status", "code", "message", "error", "says"),
    [
        (401, "UNAUTHENTICATED", "Token is expired", errors.LoginRefused, "does not accept the login"),
        (403, "403", "Invalid access token.", errors.LoginRefused, "does not accept the login"),
        (403, "PERMISSION_DENIED", "You do not have Can View", errors.PermissionMissing, "You do not have Can View"),
        (500, "INTERNAL_ERROR", "It broke", errors.WorkspaceError, "It broke"),
        (400, "INVALID_STATE", "Not now", errors.WorkspaceError, "Not now"),
    ],
)
def test_every_refusal_has_its_own_words(
    w: WorkspaceClient,
    workspace: Workspace,
    *,
    status: int,
    code: str,
    message: str,
    error: type[DbmirrorError],
    says: str,
) -> None:
    body = f'{{"error_code": "{code}", "message": "{message}"}}'.encode()
    workspace.fail = (status, {"Content-Type": "application/json"}, body)
    with pytest.raises(error, match=says) as caught:
        list_clusters(w)
    assert caught.value.exit_code == 3
    assert TOKEN not in str(caught.value)


def test_an_expired_token_says_how_to_renew_it(w: WorkspaceClient, workspace: Workspace) -> None:
    workspace.fail = (403, {}, b'{"error_code": "403", "message": "Invalid access token."}')
    with pytest.raises(errors.LoginRefused) as caught:
        list_clusters(w)
    assert "databricks auth login --profile demo" in caught.value.remedy


@pytest.mark.usefixtures("no_waiting")
def test_a_rate_limit_is_said_so(w: WorkspaceClient, workspace: Workspace) -> None:
    body = b'{"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "Slow down"}'
    workspace.fail = (429, {"Retry-After": "1", "Content-Type": "application/json"}, body)
    with pytest.raises(errors.RateLimited, match="Slow down"):
        list_clusters(w)


@pytest.mark.parametrize("body", [b"<html>Log in</html>", b'"text"'])
def test_an_answer_that_is_not_the_apis_is_said_so(w: WorkspaceClient, workspace: Workspace, body: bytes) -> None:
    workspace.fail = (200, {"Content-Type": "text/html"}, body)
    with pytest.raises(errors.WorkspaceError):
        list_clusters(w)
