"""ssh setup: the one command that changes a cluster asks only where it must, and leaves what works."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dbmirror.cli import main
from dbmirror.folders import known_hosts_file
from dbmirror.hosts.known_hosts import HostKey, KnownHosts
from dbmirror.workspace.ssh_entry import ssh_config_file
from dbmirror.workspace.ssh_keys import ensure_key, read_public_key
from tests.workspace.conftest import (  # noqa: F401 - fixtures
    TOKEN,
    Workspace,
    a_cluster,
    home,
    no_waiting,
    workspace,
    write_profiles,
)

ID = "0101-120000-abcdefgh"
KEY = HostKey(kind="ssh-ed25519", blob=b"\0\0\0\x0bssh-ed25519")


@pytest.fixture
def held(
    workspace: Workspace,  # noqa: F811
    write_profiles: Callable[[str], Path],  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Workspace:
    """A workspace with one cluster that has somebody else's key; restarted, it comes back elsewhere."""
    monkeypatch.chdir(tmp_path)
    write_profiles(f"[demo]\nhost = {workspace.host}\ntoken = {TOKEN}\ncluster_id = {ID}\n")
    workspace.clusters[ID] = a_cluster(ID)
    workspace.after_edit = [
        {"state": "RESTARTING", "driver": {}},
        {"state": "RUNNING", "driver": {"private_ip": "10.0.0.77"}, "last_restarted_time": 1_763_640_000_000},
    ]
    KnownHosts(known_hosts_file()).pin(ID, KEY)
    return workspace


def setup(*options: str) -> Result:
    return CliRunner().invoke(main, ["ssh", "setup", "demo", *options])


@pytest.mark.usefixtures("no_waiting")
def test_a_restart_is_awaited_and_what_is_printed_next_ends_in_no_alarm(held: Workspace) -> None:
    done = setup("--yes")
    assert done.exit_code == 0, done.output
    assert len(held.edits()) == 1
    assert "  HostName 10.0.0.77\n" in ssh_config_file().read_text()
    assert not KnownHosts(known_hosts_file()).keys(ID), "the old driver's key is no longer the one to compare with"
    assert "Next: dbmirror ssh test demo" in done.output
    assert "the test shows the new host key" in done.output


def test_without_a_terminal_the_option_is_named_and_nothing_changes(held: Workspace) -> None:
    done = setup()
    assert done.exit_code == 2
    assert "dbmirror ssh setup demo --yes" in done.output
    assert not held.edits()
    assert KnownHosts(known_hosts_file()).keys(ID)


def test_a_key_that_is_there_already_is_seen_before_anything_is_asked(held: Workspace) -> None:
    held.clusters[ID]["ssh_public_keys"] = [read_public_key(ensure_key("demo"))]
    done = setup()
    assert done.exit_code == 0, done.output
    assert "nothing was changed" in done.output
    assert not held.edits()
    assert KnownHosts(known_hosts_file()).keys(ID)
    assert "  HostName 10.139.64.4\n" in ssh_config_file().read_text()


def test_a_terminated_cluster_gets_the_key_and_is_not_started(held: Workspace) -> None:
    held.clusters[ID].update(state="TERMINATED", driver={})
    done = setup("--yes")
    assert done.exit_code == 0, done.output
    assert len(held.edits()) == 1
    assert not [path for _, path, _ in held.requests if path.endswith("/start")]
    assert "  HostName demo.not-running.invalid\n" in ssh_config_file().read_text()
    assert "Once it runs: dbmirror ssh test demo" in done.output


def test_a_dry_run_says_what_would_happen_to_the_cluster(held: Workspace) -> None:
    assert "and restart it" in setup("--dry-run").output
    ensure_key("demo")
    held.clusters[ID].update(state="TERMINATED", driver={})
    assert "which is terminated and stays so" in setup("--dry-run").output
    assert not held.edits()
    assert not ssh_config_file().exists()


def test_another_cluster_can_be_named(held: Workspace) -> None:
    held.clusters["1-b"] = a_cluster("1-b", cluster_name="b", state="TERMINATED", driver={}, ssh_public_keys=[])
    assert setup("--yes", "--cluster", "b").exit_code == 0
    assert [edit["cluster_id"] for edit in held.edits()] == ["1-b"]
