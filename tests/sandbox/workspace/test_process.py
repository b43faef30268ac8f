import http.client
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from dbmirror.sandbox.errors import SandboxRefused, WorkspaceNotAnswering
from dbmirror.sandbox.workspace import process
from dbmirror.sandbox.workspace.server import Workspace
from tests.sandbox.workspace.conftest import TOKEN


def get(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_files_are_for_everybody_and_only_those(workspace: tuple[Workspace, int]) -> None:
    assert get(workspace[1], "/files/a.whl") == (200, b"a wheel")
    assert get(workspace[1], "/files/../workspace.json")[0] == 404
    assert get(workspace[1], "/etc/passwd")[0] == 404


def test_no_call_of_the_api_is_answered_without_the_token(workspace: tuple[Workspace, int]) -> None:
    status, body = get(workspace[1], "/api/2.1/clusters/list")
    assert status == 401
    assert json.loads(body)["error_code"] == 401


def test_the_token_stands_in_no_answer_of_the_administration(workspace: tuple[Workspace, int]) -> None:
    assert TOKEN not in json.dumps(process.ask(workspace[1], TOKEN, "state"))


@pytest.mark.parametrize("headers", [{}, {"X-Sandbox": "0f0f0f0f"}, {"Authorization": "Bearer dapi-guessed"}])
@pytest.mark.parametrize("order", ["open", "terminate", "token", "stop", "state"])
def test_another_account_or_a_web_page_gives_no_order(
    workspace: tuple[Workspace, int], order: str, headers: dict[str, str]
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", workspace[1], timeout=5)
    try:
        body = json.dumps({"image": "anybodys:1", "expired": True})
        connection.request("GET" if order == "state" else "POST", f"/sandbox/{order}", body, headers)
        assert connection.getresponse().status in {401, 403}
    finally:
        connection.close()
    assert workspace[0].image() is None
    assert not workspace[0].faults.token_expired


def test_the_administration_hears_only_who_means_this_sandbox(workspace: tuple[Workspace, int]) -> None:
    port = workspace[1]
    assert process.ask(port, TOKEN, "state")["first_id"] == "1-2-first"
    assert process.answers(port, TOKEN)
    assert not process.answers(port, "dapi-of-another")


def test_faults_are_switched_on_and_off_from_outside(workspace: tuple[Workspace, int]) -> None:
    faults = workspace[0].faults
    process.ask(workspace[1], TOKEN, "token", {"expired": True})
    process.ask(workspace[1], TOKEN, "faults", {"fail": 3, "status": 500, "delay": 0.01})
    assert (faults.token_expired, faults.fail_next, faults.status, faults.delay) == (True, 3, 500, 0.01)
    process.ask(workspace[1], TOKEN, "token", {"expired": False})
    process.ask(workspace[1], TOKEN, "faults", {})
    assert (faults.token_expired, faults.fail_next, faults.delay) == (False, 0, 0.0)


def test_opening_gives_the_image_and_brings_the_first_cluster_up(workspace: tuple[Workspace, int]) -> None:
    process.ask(workspace[1], TOKEN, "open", {"image": "driver:1"})
    known = process.ask(workspace[1], TOKEN, "state")
    assert known["image"] == "driver:1"
    assert known["clusters"][0]["state"] == "RUNNING"


def test_a_driver_that_does_not_start_is_told_to_who_opened(workspace: tuple[Workspace, int], machines: Any) -> None:
    machines.broken = True
    with pytest.raises(WorkspaceNotAnswering, match="no room for another container"):
        process.ask(workspace[1], TOKEN, "open", {"image": "driver:1"})


def test_a_lost_spot_instance_ends_a_cluster_with_that_reason(workspace: tuple[Workspace, int], until: Any) -> None:
    process.ask(workspace[1], TOKEN, "open", {"image": "driver:1"})
    process.ask(workspace[1], TOKEN, "lose", {})
    until(lambda: workspace[0].fleet.get("1-2-first")["state"] == "TERMINATED")
    assert workspace[0].fleet.get("1-2-first")["termination_reason"]["code"] == "SPOT_INSTANCE_TERMINATION"


@pytest.mark.parametrize("order", ["nonsense", "open", "token", "restart"])
def test_an_order_that_makes_no_sense_is_refused(workspace: tuple[Workspace, int], order: str) -> None:
    with pytest.raises(WorkspaceNotAnswering, match="refused"):
        process.ask(workspace[1], TOKEN, order, {})


def test_nobody_at_home_is_said_with_the_remedy() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(WorkspaceNotAnswering) as caught:
        process.ask(port, TOKEN, "state")
    assert "sandbox up" in caught.value.remedy
    assert caught.value.exit_code == 3


def test_a_port_that_is_in_use_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as first:
        first.bind(("127.0.0.1", 0))
        first.listen()
        taken = first.getsockname()[1]
        monkeypatch.setattr(process, "PORTS", range(taken, taken + 20))
        assert process.free_port(["127.0.0.1"]) > taken
        monkeypatch.setattr(process, "PORTS", range(taken, taken + 1))
        with pytest.raises(SandboxRefused, match="in use") as caught:
            process.free_port(["127.0.0.1"])
    assert "ss -ltnp" in caught.value.remedy


def test_an_address_of_another_machine_is_no_place_to_serve_from() -> None:
    with pytest.raises(SandboxRefused, match="not one of this machine"):
        process.free_port(["192.0.2.1"])


def test_stopping_what_never_ran_does_nothing(tmp_path: Path) -> None:
    process.stop(tmp_path, 1, TOKEN)
    assert list(tmp_path.iterdir()) == []


def test_the_settings_come_back_as_they_were_written(tmp_path: Path) -> None:
    settings = process.Settings(
        instance="0f0f0f0f",
        token="dapi",
        public_key="ssh-ed25519 A",
        cluster_id="1-2-3",
        addresses=("127.0.0.1",),
        port=1,
        files_url="http://127.0.0.1:1",
    )
    process.settings_file(tmp_path).write_bytes(process.canonical_json(settings))
    assert process.read_settings(tmp_path) == settings
