"""Settings, workspace, secrets, state file and health check of the tunnel."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from dbmirror.lab_containers.tunnel.health import STALE_SECONDS, examine
from dbmirror.lab_containers.tunnel.private import take_over
from dbmirror.lab_containers.tunnel.settings import Settings, SettingsInvalid, read_settings
from dbmirror.lab_containers.tunnel.state import State, Status, document, publish
from dbmirror.lab_containers.tunnel.workspace import Found, look_up

CLUSTER = "0101-120000-abcdefgh"
DRIVER = {"DBMIRROR_DRIVER_PORT": "2200", "DBMIRROR_DRIVER_USER": "ubuntu"}
"""What compose.yaml states always."""


def settings(tmp_path: Path, workspace: str | None = None, **further: str) -> Settings:
    from dataclasses import replace

    read = read_settings(
        {
            **DRIVER,
            "DBMIRROR_MIRROR": "demo",
            "DBMIRROR_CLUSTER": CLUSTER,
            "DBMIRROR_DRIVER_HOST": "10.0.0.9",
            "DBMIRROR_WORKSPACE": workspace or "",
            **further,
        }
    )
    return replace(read, token=tmp_path / "token", ca_bundle=tmp_path / "none")


def test_empty_variables_are_the_defaults() -> None:
    read = read_settings({**DRIVER, "DBMIRROR_CLUSTER": CLUSTER, "DBMIRROR_DRIVER_HOST": ""})
    assert (read.host, read.port, read.user, read.forwards, read.workspace) == (None, 2200, "ubuntu", (), None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DBMIRROR_DRIVER_HOST", "-oProxyCommand=reboot"),
        ("DBMIRROR_DRIVER_HOST", "host name"),
        ("DBMIRROR_DRIVER_USER", "-l"),
        ("DBMIRROR_DRIVER_USER", ""),
        ("DBMIRROR_DRIVER_PORT", "0"),
        ("DBMIRROR_DRIVER_PORT", ""),
        ("DBMIRROR_FORWARDS", "4040 *:1"),
        ("DBMIRROR_CLUSTER", "a b"),
        ("DBMIRROR_JUMPS", "bastion:22"),
        ("DBMIRROR_JUMPS", "me@bastion"),
        ("DBMIRROR_JUMPS", "me@bastion:0"),
        ("DBMIRROR_JUMPS", "me@bastion:22,other:22"),
        ("DBMIRROR_JUMPS", "me@-oProxyCommand=reboot:22"),
        ("DBMIRROR_JUMPS", "-l@bastion:22"),
        ("DBMIRROR_JUMPS", "me@%h:22"),
        ("DBMIRROR_JUMPS", 'me"@bastion:22'),
        ("DBMIRROR_JUMPS", "me@a:22 me@b:22 me@c:22 me@d:22"),
        ("DBMIRROR_WORKSPACE", "file:///etc/passwd"),
        ("DBMIRROR_WORKSPACE", "http://workspace.example"),
        ("DBMIRROR_WORKSPACE", "http://localhost.evil.example"),
    ],
)
def test_a_setting_of_another_form_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsInvalid, match=name):
        read_settings({**DRIVER, name: value})


def test_jump_hosts_are_read_in_their_order() -> None:
    read = read_settings({**DRIVER, "DBMIRROR_JUMPS": "me@bastion.example:22  root@[2001:db8::1]:2222"})
    assert [(jump.name, jump.user, jump.host, jump.port) for jump in read.jumps] == [
        ("jump-1", "me", "bastion.example", 22),
        ("jump-2", "root", "2001:db8::1", 2222),
    ]
    assert [jump.address for jump in read.jumps] == ["me@bastion.example:22", "root@[2001:db8::1]:2222"]


@pytest.fixture
def workspace() -> Iterator[Callable[[int, object], tuple[str, list[str]]]]:
    """Start a server that gives one answer; its URL, and the list of what it was asked."""
    servers: list[HTTPServer] = []

    def start(status: int, answer: object) -> tuple[str, list[str]]:
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(f"{self.path} {self.headers.get('Authorization')}")
                body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "http://127.0.0.1:9/elsewhere")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}", asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_the_workspace_says_state_and_address(workspace, tmp_path: Path) -> None:
    url, asked = workspace(200, {"state": "RUNNING", "driver": {"public_dns": "10.0.0.4", "private_ip": "10.1.0.4"}})
    (tmp_path / "token").write_text("dapi-secret\n")
    assert look_up(settings(tmp_path, url)) == Found(cluster_state="RUNNING", address="10.0.0.4")
    assert asked == [f"/api/2.1/clusters/get?cluster_id={CLUSTER} Bearer dapi-secret"]


def test_a_configured_address_beats_the_workspaces(workspace, tmp_path: Path) -> None:
    url, _ = workspace(200, {"state": "RUNNING", "driver": {"private_ip": "10.1.0.4"}})
    (tmp_path / "token").write_text("dapi-secret")
    found = look_up(settings(tmp_path, url, DBMIRROR_DRIVER_FIXED_HOST="driver.example"))
    assert found.address == "driver.example"


@pytest.mark.parametrize(
    ("status", "answer", "problem"),
    [
        (401, {}, "refuses the token"),
        (403, {}, "refuses the token"),
        (503, {}, "HTTP status 503"),
        (302, {}, "HTTP status 302"),
        (200, b"<html>", "no description of a cluster"),
        (200, {"state": "up; rm -rf"}, "no description of a cluster"),
        (200, {"state": "RUNNING", "driver": {"private_ip": "-oProxyCommand=x"}}, "no description of a cluster"),
    ],
)
def test_a_workspace_that_does_not_help_leaves_the_known_address_and_the_reason(
    workspace, tmp_path: Path, status: int, answer: object, problem: str
) -> None:
    url, _ = workspace(status, answer)
    (tmp_path / "token").write_text("dapi-secret")
    found = look_up(settings(tmp_path, url))
    assert (found.cluster_state, found.address) == (None, "10.0.0.9")
    assert problem in found.problem
    assert "dapi-secret" not in found.problem


def test_a_workspace_that_cannot_be_reached_is_no_crash(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("dapi-secret")
    assert "does not answer" in look_up(settings(tmp_path, "http://127.0.0.1:9")).problem


def test_without_a_token_the_workspace_is_not_asked(workspace, tmp_path: Path) -> None:
    url, asked = workspace(200, {})
    assert look_up(settings(tmp_path, url)).problem == "there are no workspace credentials"
    assert asked == []


def test_secrets_are_taken_over_for_their_user_alone(tmp_path: Path) -> None:
    given, private = tmp_path / "given", tmp_path / "private"
    given.mkdir()
    private.mkdir()
    (given / "ssh-key").write_text("KEY without a last line end")
    (given / "ssh-key").chmod(0o644)
    (given / "jump-1-key").write_text("JUMP KEY")
    (given / "jump-2-key").write_text("")
    take_over(os.getuid(), os.getgid(), secrets=given, private=private)
    take_over(os.getuid(), os.getgid(), secrets=given, private=private)
    assert sorted(path.name for path in private.iterdir()) == ["jump-1-key", "ssh-key"]
    assert {path.stat().st_mode & 0o777 for path in private.iterdir()} == {0o400}
    assert (private / "ssh-key").read_text() == "KEY without a last line end\n"


def test_a_secret_that_is_no_longer_given_is_not_kept(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir()
    (private / "ssh-key").write_text("old")
    take_over(os.getuid(), os.getgid(), secrets=tmp_path / "nothing", private=private)
    assert list(private.iterdir()) == []


@pytest.fixture
def state_file(tmp_path: Path) -> Path:
    path = tmp_path / "state.json"
    status = Status(state=State.CONNECTED, text="Connected.", since=0.0)
    publish(path, document(status, mirror="demo", cluster=CLUSTER, forwards=(4040,), at=100.0))
    return path


def test_a_connected_tunnel_is_healthy(state_file: Path) -> None:
    assert examine(state_file, now=101.0) == (True, "connected: Connected.")


def test_the_state_file_is_whole_readable_and_leaves_nothing_beside_it(state_file: Path) -> None:
    assert [path.name for path in state_file.parent.iterdir()] == ["state.json"]
    assert state_file.stat().st_mode & 0o777 == 0o644
    assert json.loads(state_file.read_text())["since"] == "1970-01-01T00:00:00Z"


def test_a_supervisor_that_went_silent_is_not_healthy(state_file: Path) -> None:
    up, text = examine(state_file, now=100.0 + STALE_SECONDS + 1)
    assert not up
    assert "has not reported" in text


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", '{"state": 1}'])
def test_a_damaged_or_missing_state_is_not_healthy(tmp_path: Path, content: str) -> None:
    path = tmp_path / "state.json"
    assert not examine(path, now=0.0)[0]
    path.write_text(content)
    assert not examine(path, now=0.0)[0]


def test_any_other_state_is_not_healthy_and_says_why(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    status = Status(state=State.CLUSTER_DOWN, text="The cluster is terminated.", since=0.0)
    publish(path, document(status, mirror="demo", cluster=CLUSTER, forwards=(), at=0.0))
    assert examine(path, now=1.0) == (False, "cluster-down: The cluster is terminated.")
