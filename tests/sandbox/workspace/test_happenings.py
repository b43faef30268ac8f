"""What happens to a cluster of the sandbox by a command, and that one home has one sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from dbmirror.sandbox import lifecycle
from dbmirror.sandbox.clusters import Happening, happen
from dbmirror.sandbox.errors import SandboxRefused
from dbmirror.sandbox.state import Record, write_record
from dbmirror.sandbox.workspace import process
from dbmirror.sandbox.workspace.server import Workspace
from tests.sandbox.workspace.conftest import TOKEN


@pytest.fixture
def up(workspace: tuple[Workspace, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A sandbox whose cluster runs, on machines that are addresses alone."""
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(process, "read_token", lambda _: TOKEN)
    write_record(
        Record(
            profile="demo",
            port=workspace[1],
            addresses=("127.0.0.1",),
            cluster_id="1-2-first",
            base_image="base:1",
            base_origin="made from Debian packages",
            driver_image="driver:1",
            pins=0,
        )
    )
    process.ask(workspace[1], TOKEN, "open", {"image": "driver:1"})
    return workspace[0]


def test_a_cluster_is_stopped_and_started_by_a_command(up: Workspace) -> None:
    stopped = happen(Happening.STOP)
    assert (stopped["state"], stopped["termination_reason"]["code"]) == ("TERMINATED", "USER_REQUEST")
    started = happen(Happening.START)
    assert (started["state"], started["driver"]["private_ip"]) == ("RUNNING", "10.0.0.2")


def test_a_restarted_cluster_comes_back_elsewhere(up: Workspace) -> None:
    assert happen(Happening.RESTART, "demo")["driver"]["private_ip"] == "10.0.0.2"


def test_a_broken_cluster_is_lost_as_a_spot_instance_is(up: Workspace) -> None:
    assert happen(Happening.BREAK)["termination_reason"]["code"] == "SPOT_INSTANCE_TERMINATION"


def test_another_cluster_is_named_by_its_name_or_id(up: Workspace) -> None:
    assert happen(Happening.START, "nightly")["cluster_name"] == "nightly"
    assert up.fleet.get("1-2-first")["driver"]["private_ip"] == "10.0.0.1"


@pytest.mark.parametrize(
    ("what", "cluster", "says", "remedy"),
    [
        (Happening.START, None, "demo is running, so it cannot be started", "sandbox cluster stop --cluster demo"),
        (Happening.STOP, "nightly", "nightly is terminated, so it cannot be stopped", "start --cluster nightly"),
        (Happening.STOP, "none", "no cluster 'none'", "demo, nightly"),
    ],
)
def test_what_cannot_happen_says_why(
    up: Workspace, what: Happening, cluster: str | None, says: str, remedy: str
) -> None:
    with pytest.raises(SandboxRefused, match=says) as caught:
        happen(what, cluster)
    assert remedy in caught.value.remedy


def test_a_sandbox_that_is_down_has_no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path))
    with pytest.raises(SandboxRefused) as caught:
        happen(Happening.STOP)
    assert caught.value.remedy == "Bring it up: dbmirror sandbox up"


@pytest.mark.usefixtures("up")
def test_a_second_sandbox_of_another_name_is_refused_with_both_choices(tmp_path: Path) -> None:
    lifecycle.require_same_name("demo")
    with pytest.raises(SandboxRefused, match="has the sandbox demo already") as caught:
        lifecycle.require_same_name("other")
    assert "dbmirror sandbox down && dbmirror sandbox up --name other" in caught.value.remedy
    assert f"DBMIRROR_HOME={tmp_path}/state-other dbmirror sandbox up --name other" in caught.value.remedy


def listed(port: int, version: str) -> dict[str, object]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = requests.get(f"http://127.0.0.1:{port}/api/{version}/clusters/list", headers=headers, timeout=10)
    document: dict[str, object] = answer.json()
    return document


def test_only_the_list_of_version_2_1_has_pages(workspace: tuple[Workspace, int]) -> None:
    old, new = listed(workspace[1], "2.0"), listed(workspace[1], "2.1")
    assert (len(list(old["clusters"])), "next_page_token" in old) == (6, False)  # type: ignore[call-overload]
    assert (len(list(new["clusters"])), "next_page_token" in new) == (4, True)  # type: ignore[call-overload]
