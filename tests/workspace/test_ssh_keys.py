from __future__ import annotations

import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient

from dbmirror.hosts.host_key import parse_public_key
from dbmirror.workspace.errors import KeyNotInstalled
from dbmirror.workspace.ssh_keys import ensure_key, install, read_public_key
from tests.workspace.conftest import PUBLIC_KEY, Workspace, a_cluster

ID = "0101-120000-abcdefgh"


@pytest.fixture
def public_key() -> str:
    return read_public_key(ensure_key("demo"))


def test_a_key_is_made_that_openssh_reads(home: Path) -> None:
    path = ensure_key("demo")
    assert path == home / ".ssh" / "id_demo"
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)
    public = subprocess.run(["ssh-keygen", "-y", "-f", str(path)], capture_output=True, text=True, check=True).stdout
    assert public.split()[:2] == read_public_key(path).split()[:2]
    assert public.startswith("ssh-ed25519 ")


def test_a_key_that_exists_is_kept(home: Path) -> None:
    before = ensure_key("demo").read_bytes()
    (home / ".ssh" / "id_demo.pub").unlink()
    path = ensure_key("demo")
    assert path.read_bytes() == before
    assert parse_public_key(read_public_key(path)) is not None


def test_a_key_with_a_passphrase_and_no_public_half_is_left_alone(home: Path) -> None:
    (home / ".ssh").mkdir()
    path = home / ".ssh" / "id_demo"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", str(path)], check=True)
    (home / ".ssh" / "id_demo.pub").unlink()
    with pytest.raises(KeyNotInstalled, match="public half") as caught:
        ensure_key("demo")
    assert "ssh-keygen -y" in caught.value.remedy


@pytest.mark.parametrize("profile", ["../demo", "a/b", "", ".hidden", "a\nb"])
def test_a_profile_that_cannot_be_a_file_gets_no_key(home: Path, profile: str) -> None:
    with pytest.raises(KeyNotInstalled):
        ensure_key(profile)
    assert not (home / ".ssh").exists()


@pytest.mark.parametrize(
    "line", ["", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-rsa !!", f"{PUBLIC_KEY}\n{PUBLIC_KEY}", "-oX AAAA"]
)
def test_what_is_no_public_key_is_not_taken_for_one(line: str) -> None:
    assert parse_public_key(line) is None


def test_the_key_is_added_and_every_setting_sent_back(
    w: WorkspaceClient, workspace: Workspace, public_key: str
) -> None:
    cluster = a_cluster(
        autoscale={"min_workers": 1, "max_workers": 8},
        policy_id="ABC",
        workload_type={"clients": {"notebooks": True, "jobs": False}},
        init_scripts=[{"workspace": {"destination": "/Shared/a.sh"}}],
        cluster_log_conf={"dbfs": {"destination": "dbfs:/logs"}},
        spark_env_vars={"PYSPARK_PYTHON": "/databricks/python3/bin/python3"},
        docker_image={"url": "reg.example/i", "basic_auth": {"username": "u", "password": "{{secrets/a/b}}"}},
    )
    workspace.clusters[ID] = cluster
    assert install(w, ID, public_key)
    (edit,) = workspace.edits()
    assert edit.pop("ssh_public_keys") == [PUBLIC_KEY, public_key]
    derived = {
        *(
            "creator_user_name",
            "driver",
            "spark_context_id",
            "driver_healthy",
            "jdbc_port",
            "disk_spec",
            "cluster_source",
        ),
        *(
            "instance_source",
            "driver_instance_source",
            "effective_spark_version",
            "state",
            "state_message",
            "start_time",
        ),
        *(
            "last_state_loss_time",
            "last_activity_time",
            "last_restarted_time",
            "default_tags",
            "init_scripts_safe_mode",
        ),
        *("ssh_public_keys", "num_workers"),
    }
    assert edit == {name: value for name, value in cluster.items() if name not in derived}


def test_the_users_own_specification_wins_with_settings_yet_unknown(
    w: WorkspaceClient, workspace: Workspace, public_key: str
) -> None:
    spec: dict[str, Any] = {"spark_version": "15.4.x-scala2.12", "instance_pool_id": "pool", "new_setting": {"a": 1}}
    workspace.clusters[ID] = a_cluster(instance_pool_id="pool", spec=spec)
    assert install(w, ID, public_key)
    assert workspace.edits() == [{**spec, "cluster_id": ID, "ssh_public_keys": [public_key]}]


def test_a_cluster_of_a_pool_is_not_sent_the_node_types_of_its_pool(
    w: WorkspaceClient, workspace: Workspace, public_key: str
) -> None:
    workspace.clusters[ID] = a_cluster(instance_pool_id="pool")
    assert install(w, ID, public_key)
    (edit,) = workspace.edits()
    assert edit["instance_pool_id"] == "pool"
    assert edit.keys().isdisjoint({"node_type_id", "driver_node_type_id", "enable_elastic_disk"})


def test_a_key_that_is_there_already_changes_nothing(w: WorkspaceClient, workspace: Workspace) -> None:
    workspace.clusters[ID] = a_cluster()
    assert not install(w, ID, f"{PUBLIC_KEY.rsplit(' ', 1)[0]} with-another-comment")
    assert workspace.edits() == []


def test_an_eleventh_key_is_refused(w: WorkspaceClient, workspace: Workspace, public_key: str) -> None:
    workspace.clusters[ID] = a_cluster(ssh_public_keys=[f"{PUBLIC_KEY}{n}" for n in range(10)])
    with pytest.raises(KeyNotInstalled, match="has 10 SSH keys"):
        install(w, ID, public_key)
    assert workspace.edits() == []


def test_an_edit_that_would_lose_a_registry_password_is_refused(
    w: WorkspaceClient, workspace: Workspace, public_key: str
) -> None:
    workspace.clusters[ID] = a_cluster(docker_image={"url": "reg.example/i", "basic_auth": {"username": "u"}})
    with pytest.raises(KeyNotInstalled, match="password"):
        install(w, ID, public_key)
    assert workspace.edits() == []


def test_what_is_no_key_is_not_installed(w: WorkspaceClient, workspace: Workspace) -> None:
    workspace.clusters[ID] = a_cluster()
    with pytest.raises(KeyNotInstalled):
        install(w, ID, "not a key")
    assert workspace.edits() == []
