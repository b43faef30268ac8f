from __future__ import annotations

from typing import Any

import pytest
from databricks.sdk import WorkspaceClient

from dbmirror.errors import DbmirrorError
from dbmirror.hosts.host_key import parse_public_key
from dbmirror.snapshot import Cluster, ClusterLibrary
from dbmirror.workspace import answers, errors
from dbmirror.workspace.clusters import list_clusters, read
from dbmirror.workspace.mirrorable import ClusterSummary, Login
from tests.workspace.conftest import PUBLIC_KEY, TOKEN, Workspace, a_cluster

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


@pytest.mark.parametrize(
    ("changes", "name", "reason"),
    [
        ({"cluster_name": "x\nRUN id"}, "x RUN id", None),
        ({"cluster_name": "\u202eevil"}, "evil", None),
        ({"cluster_name": None}, "0101-120000-odd", None),
        ({"cluster_name": ["a"]}, "0101-120000-odd", None),
        ({"spark_version": None}, "analytics", "states no runtime"),
        ({"spark_version": "dlt:16.4.5-delta-pipelines"}, "analytics", "a pipeline's (dlt:16.4.5-delta-pipelines)"),
        ({"spark_version": "client.3", "ssh_public_keys": []}, "analytics", "it is serverless (client.3)"),
        ({"state": "HIBERNATED"}, "analytics", "its state HIBERNATED is one that dbmirror does not know"),
        ({"state": "TERMINATED", "cluster_source": "AGENT"}, "analytics", "belongs to a agent"),
        ({"data_security_mode": "QUANTUM", "runtime_engine": "WARP"}, "analytics", None),
        ({"driver": "none"}, "analytics", "no address of its driver"),
    ],
)
def test_an_odd_cluster_is_listed_as_what_it_is_beside_the_others(
    w: WorkspaceClient, workspace: Workspace, changes: dict[str, Any], name: str, reason: str | None
) -> None:
    hold(workspace, a_cluster("0101-120000-odd", **changes), a_cluster("0101-120000-usual", cluster_name="usual"))
    odd, usual = sorted(list_clusters(w), key=lambda cluster: cluster.cluster_id)
    assert usual.can_snapshot
    assert (odd.cluster_id, odd.cluster_name) == ("0101-120000-odd", name)
    assert odd.can_snapshot == (reason is None)
    assert reason is None or reason in "; ".join(odd.cannot_snapshot)


def test_a_cluster_that_has_none_of_the_offered_keys_cannot_be_logged_in_to(
    w: WorkspaceClient, workspace: Workspace
) -> None:
    hold(workspace, a_cluster())
    own = parse_public_key(PUBLIC_KEY)
    assert own is not None

    def judged(offered: frozenset[bytes] | None, **changes: Any) -> ClusterSummary:
        login = Login(profile="my profile", offered=lambda _: offered, **changes)
        return list_clusters(w, login)[0]

    assert judged(frozenset({own.blob})).can_snapshot
    assert judged(None).can_snapshot, "where only a login can tell, it is tried"
    for without in (frozenset({b"another"}), frozenset()):
        cluster = judged(without)
        assert cluster.lacks_key
        assert cluster.no_ssh == "none of the keys that you have is on it: dbmirror ssh setup 'my profile' adds yours"
        assert cluster.ways == ("api",), "the workspace needs no key to run a command"
    assert judged(frozenset(), by_alias=True).ways == ("ssh", "api")


def test_a_cluster_that_a_host_of_the_ssh_config_leads_to_needs_no_key_of_its_own(
    w: WorkspaceClient, workspace: Workspace
) -> None:
    hold(workspace, a_cluster(ssh_public_keys=[], data_security_mode="USER_ISOLATION"))
    found: dict[str, str] = {}
    login = Login(profile="demo", alias=found.get)
    (cluster,) = list_clusters(w, login)
    assert (cluster.ways, cluster.ssh_host, cluster.can_snapshot) == ((), None, False)
    found[cluster.cluster_id] = "demo-ssh"
    (cluster,) = list_clusters(w, login)
    assert (cluster.ways, cluster.ssh_host, cluster.can_snapshot) == (("ssh",), "demo-ssh", True)


@pytest.mark.parametrize(
    ("changes", "ways", "tunnel"),
    [
        ({}, ("ssh", "api"), False),
        ({"spark_version": "17.3.x-scala2.13"}, ("ssh", "api"), True),
        ({"spark_version": "18.x-scala2.13", "ssh_public_keys": []}, ("api",), True),
        ({"spark_version": "17.3.x-scala2.13", "data_security_mode": "USER_ISOLATION"}, ("ssh",), False),
        ({"data_security_mode": "USER_ISOLATION", "ssh_public_keys": []}, (), False),
        ({"state": "TERMINATED", "driver": {}}, ("ssh", "api"), False),
        ({"state": "ERROR"}, (), False),
    ],
)
def test_the_ways_to_a_cluster_are_told_without_a_try(
    w: WorkspaceClient, workspace: Workspace, changes: dict[str, Any], ways: tuple[str, ...], tunnel: bool
) -> None:
    hold(workspace, a_cluster(**changes))
    (cluster,) = list_clusters(w)
    assert (cluster.ways, cluster.databricks_ssh) == (ways, tunnel)
    assert cluster.can_snapshot == bool(ways)


def test_every_page_of_a_list_is_read(w: WorkspaceClient, workspace: Workspace) -> None:
    hold(workspace, *(a_cluster(f"0101-120000-{number}") for number in range(5)))
    workspace.page = 2
    assert len(list_clusters(w)) == 5


def test_a_list_without_end_has_one(w: WorkspaceClient, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hostile workspace that always has one more page."""
    monkeypatch.setattr(answers, "MOST_PAGES", 5)
    hold(workspace, a_cluster())
    workspace.endless, workspace.page = True, 1
    with pytest.raises(errors.WorkspaceError, match="clusters/list"):
        list_clusters(w)
    assert len(workspace.requests) < 12


def test_a_name_that_a_snapshot_cannot_hold_is_cleaned(w: WorkspaceClient, workspace: Workspace) -> None:
    hold(workspace, a_cluster(cluster_name="x\nRUN id"))
    assert read(w, ID).cluster.cluster_name == "x RUN id"


def test_a_cluster_without_a_runtime_cannot_be_read(w: WorkspaceClient, workspace: Workspace) -> None:
    hold(workspace, a_cluster(spark_version=""))
    with pytest.raises(errors.RuntimeNotStated, match="no runtime"):
        read(w, ID)


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
