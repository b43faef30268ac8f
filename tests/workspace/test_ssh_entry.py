from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from dbmirror.workspace.errors import WorkspaceUsageError
from dbmirror.workspace.ssh_entry import (
    follow_address,
    include_line,
    not_running,
    ssh_config_file,
    ssh_entry,
    write_ssh_entry,
)


def entry(alias: str = "demo", **changes: Any) -> str:
    settings = {
        "cluster_id": "0101-120000-abc",
        "address": "10.0.0.4",
        "port": 2200,
        "user": "ubuntu",
        "identity_file": Path("/home/some one/.ssh/id_demo"),
        "known_hosts": Path("/state/known_hosts"),
    }
    return ssh_entry(alias, **{**settings, **changes})


def resolved(alias: str) -> dict[str, str]:
    command = ["ssh", "-G", "-F", str(ssh_config_file()), alias]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return dict(line.split(" ", 1) for line in lines if " " in line)


def test_openssh_understands_the_block() -> None:
    write_ssh_entry("demo", entry())
    found = resolved("demo")
    assert (found["hostname"], found["port"], found["user"]) == ("10.0.0.4", "2200", "ubuntu")
    assert (found["hostkeyalias"], found["userknownhostsfile"]) == ("0101-120000-abc", "/state/known_hosts")
    assert (found["identityfile"], found["identitiesonly"]) == ("/home/some one/.ssh/id_demo", "yes")
    assert found["stricthostkeychecking"] in {"yes", "true"}


def test_a_block_is_replaced_and_the_others_stay() -> None:
    write_ssh_entry("one", entry("one"))
    write_ssh_entry("two", entry("two"))
    assert write_ssh_entry("one", entry("one", address="10.0.0.5"))
    assert (resolved("one")["hostname"], resolved("two")["hostname"]) == ("10.0.0.5", "10.0.0.4")
    assert ssh_config_file().read_text().count("Host one") == 1


def test_writing_the_same_again_changes_nothing() -> None:
    assert write_ssh_entry("demo", entry())
    assert not write_ssh_entry("demo", entry())


def test_the_include_line_names_the_file() -> None:
    assert include_line() == f"Include {ssh_config_file()}"


@pytest.mark.parametrize(
    "changes",
    [{"address": "a\n  ProxyCommand id"}, {"user": "a b"}, {"cluster_id": "-x"}, {"identity_file": Path('/a"b')}],
)
def test_a_value_that_would_add_a_line_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(WorkspaceUsageError, match="cannot stand in an ssh config"):
        entry(**changes)


def test_an_entry_follows_its_clusters_driver_and_no_other_ones() -> None:
    for alias, cluster_id in (("demo", "1-a"), ("team", "1-b")):
        entry = ssh_entry(
            alias,
            cluster_id=cluster_id,
            address=not_running(alias),
            port=2200,
            user="ubuntu",
            identity_file=Path("/home/me/.ssh/id_demo"),
            known_hosts=Path("/state/known_hosts"),
        )
        write_ssh_entry(alias, entry)
    before = ssh_config_file().read_text()
    assert "  HostName demo.not-running.invalid\n" in before
    assert not follow_address("demo", cluster_id="1-other", address="10.0.0.9")
    assert not follow_address("none", cluster_id="1-a", address="10.0.0.9")
    assert follow_address("demo", cluster_id="1-a", address="10.0.0.9")
    assert not follow_address("demo", cluster_id="1-a", address="10.0.0.9"), "nothing changes the second time"
    assert ssh_config_file().read_text() == before.replace("demo.not-running.invalid", "10.0.0.9")
