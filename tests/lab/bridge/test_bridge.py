"""The tunnel through a ProxyCommand of the user's machine: real processes, and a real sshd behind a stand-in CLI."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from dbmirror.lab.bridge import process
from dbmirror.lab.bridge.files import BridgeFiles, Order, read_record, read_words
from dbmirror.lab_containers.tunnel import bridge_client, client_config
from dbmirror.lab_containers.tunnel import connection as tunnel_connection
from dbmirror.lab_containers.tunnel.bridge import greet
from dbmirror.lab_containers.tunnel.connection import NotConnected, connect
from dbmirror.lab_containers.tunnel.settings import Jump, Settings
from dbmirror.lab_containers.tunnel.supervisor import Supervisor
from dbmirror.lab_containers.tunnel.transitions import Trouble
from tests.databricks_cli import Databricks
from tests.lab.bridge.conftest import ALIAS
from tests.lab_containers.conftest import Sshd, children_of


def refused(settings: Settings) -> NotConnected:
    with pytest.raises(NotConnected) as caught:
        connect(settings, ALIAS)
    return caught.value


def eventually(what: Callable[[], object], seconds: float = 15.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if what():
            return True
        time.sleep(0.05)
    return False


@contextmanager
def supervised(settings: Settings) -> Iterator[Callable[[], dict[str, str]]]:
    """A whole tunnel; its state file's content."""
    stop = threading.Event()
    runner = threading.Thread(target=Supervisor(settings).run, args=(stop.is_set,))
    runner.start()
    try:
        assert eventually(settings.state_file.exists)
        yield lambda: json.loads(settings.state_file.read_text())
    finally:
        stop.set()
        runner.join(10)
        assert not runner.is_alive()


def proxies(files: BridgeFiles) -> list[int]:
    record = read_record(files)
    return children_of(record.pid) if record else []


def test_commands_and_forwards_go_through_the_users_proxy_command(through: Settings, databricks: Databricks) -> None:
    connection = connect(through, ALIAS)
    command = ["ssh", "-F", "none", "-S", str(through.control), "-o", "ProxyCommand=false", "driver"]
    done = subprocess.run([*command, "head -c 3000000 /dev/zero"], capture_output=True, check=True, timeout=20)
    assert len(done.stdout) == 3_000_000
    assert connection.answers()
    assert databricks.calls == ["ssh connect --proxy --cluster=0101-120000-abcdefgh --profile demo"]
    connection.close()


def test_a_closed_connection_ends_its_proxy_command_and_the_next_one_starts_another(
    through: Settings, bridge: BridgeFiles, databricks: Databricks
) -> None:
    for count in (1, 2):
        connection = connect(through, ALIAS)
        assert len(proxies(bridge)) == 1
        connection.close()
        assert eventually(lambda: not proxies(bridge))
        assert len(databricks.calls) == count


@pytest.mark.parametrize(
    ("mood", "words"),
    [
        ("stopped", "Error: cluster 0101-120000-abcdefgh is not running | A new version"),
        ("expired", "the refresh token is invalid."),
    ],
)
def test_a_proxy_command_that_fails_is_quoted_cleaned(
    through: Settings, databricks: Databricks, mood: str, words: str
) -> None:
    databricks.feel(mood)
    error = refused(through)
    assert error.trouble is Trouble.UNREACHABLE
    assert words in error.said
    assert error.said.isprintable()
    assert "dapi0123456789abcdef" not in error.said


def test_what_one_connection_said_is_no_answer_to_the_next(
    through: Settings, databricks: Databricks, sshd: Sshd
) -> None:
    databricks.feel("stopped")
    refused(through)
    databricks.feel("works")
    sshd.kill()
    assert "is not running" not in refused(through).said


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hop has a second to answer, beside what the bridge has."""
    for module in (client_config, tunnel_connection):
        monkeypatch.setattr(module, "CONNECT_SECONDS", 1)


@pytest.mark.usefixtures("impatient")
def test_a_proxy_command_that_hangs_is_ended_with_the_attempt(
    through: Settings, bridge: BridgeFiles, databricks: Databricks
) -> None:
    databricks.feel("hangs")
    error = refused(replace(through, bridge_seconds=1))
    assert error.trouble is Trouble.UNREACHABLE
    assert "Waiting for the SSH server to start..." in error.said
    assert eventually(lambda: not proxies(bridge))
    databricks.feel("works")
    connect(through, ALIAS).close()


def test_a_slow_one_is_waited_for_and_its_words_are_the_state_meanwhile(
    through: Settings, databricks: Databricks
) -> None:
    databricks.feel("slow 4")
    with supervised(through) as state:
        assert eventually(lambda: "It says: Starting the SSH server..." in state()["text"])
        assert eventually(lambda: state()["state"] == "connected")


def test_a_tunnel_that_is_to_stop_does_not_wait_for_it(through: Settings, databricks: Databricks) -> None:
    databricks.feel("hangs")
    began = time.monotonic()
    with supervised(through) as state:
        assert eventually(lambda: "Waiting for the SSH server" in state()["text"])
    assert time.monotonic() - began < 8


def test_one_that_ends_in_the_middle_is_started_again(
    through: Settings, bridge: BridgeFiles, databricks: Databricks
) -> None:
    with supervised(through) as state:
        assert eventually(lambda: state()["state"] == "connected")
        (proxy,) = proxies(bridge)
        os.kill(proxy, signal.SIGKILL)
        assert eventually(lambda: state()["state"] == "unreachable")
        assert eventually(lambda: state()["state"] == "connected")
        assert len(databricks.calls) == 2


@pytest.mark.usefixtures("impatient")
def test_what_it_says_is_bounded_however_much_it_is(
    through: Settings, bridge: BridgeFiles, databricks: Databricks
) -> None:
    databricks.feel("chatters")
    refused(replace(through, bridge_seconds=1))
    assert bridge.log.stat().st_size < 100_000
    assert bridge.said.stat().st_size < 4_000
    assert bridge.output.stat().st_size == 0


def test_a_bridge_that_is_gone_is_named_with_the_command_and_noticed_when_it_is_back(
    through: Settings, bridge: BridgeFiles, order: Order
) -> None:
    record = read_record(bridge)
    assert record is not None
    os.kill(record.pid, signal.SIGKILL)
    assert eventually(lambda: not process.runs(bridge))
    state_of_bridge = process.state(bridge)
    assert state_of_bridge is not None
    assert not state_of_bridge.running
    with supervised(through) as state:
        assert eventually(lambda: state()["state"] == "unreachable")
        assert "The bridge on your machine" in state()["text"]
        assert "'dbmirror lab up demo'" in state()["text"]
        process.ensure(bridge, order)
        assert eventually(lambda: state()["state"] == "connected")


def test_lab_down_ends_it_with_its_proxy_commands(through: Settings, bridge: BridgeFiles) -> None:
    connection = connect(through, ALIAS)
    record, running = read_record(bridge), proxies(bridge)
    assert record is not None
    process.stop(bridge)
    assert not greet(through)
    assert process.state(bridge) is None
    assert eventually(lambda: not any(Path(f"/proc/{pid}/cwd").exists() for pid in running))
    connection.close()


def test_another_process_of_the_recorded_number_is_left_alone(files: BridgeFiles, order: Order) -> None:
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        files.record.write_text(json.dumps({"pid": stranger.pid, "started": "1"}))
        assert not process.runs(files)
        process.stop(files)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_second_start_keeps_the_one_that_runs_unless_it_is_to_do_something_else(
    bridge: BridgeFiles, order: Order
) -> None:
    first = read_record(bridge)
    process.ensure(bridge, replace_token(order))
    assert read_record(bridge) == first
    process.ensure(bridge, Order(**{**as_dict(order), "host": "another"}))
    assert read_record(bridge) != first


def replace_token(order: Order) -> Order:
    return Order(**{**as_dict(order), "token": "u" * 64})


def as_dict(order: Order) -> dict[str, object]:
    return {name: getattr(order, name) for name in order.__struct_fields__}


def test_one_whose_key_agent_ended_gives_way_to_one_with_a_new_agent(
    files: BridgeFiles, order: Order, tmp_path: Path
) -> None:
    (tmp_path / "agent").touch()
    process.ensure(files, Order(**{**as_dict(order), "agent": str(tmp_path / "agent")}))
    first = read_record(files)
    process.ensure(files, Order(**{**as_dict(order), "agent": "/another"}))
    assert read_record(files) == first
    (tmp_path / "agent").unlink()
    process.ensure(files, Order(**{**as_dict(order), "agent": "/another"}))
    assert read_record(files) != first


def test_one_whose_order_is_gone_ends_by_itself(bridge: BridgeFiles) -> None:
    bridge.order.unlink()
    assert eventually(lambda: not process.runs(bridge))


@pytest.mark.parametrize("words", ["connect demo-ssh", "connect -oProxyCommand=x", "connect", "", "x" * 2000])
def test_who_does_not_show_the_token_or_gives_another_order_starts_nothing(
    bridge: BridgeFiles, databricks: Databricks, words: str
) -> None:
    for token in ("", "wrong", *(["t" * 64] if words != "connect demo-ssh" else [])):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(bridge.socket))
            connection.settimeout(8)
            connection.sendall(f"{token} {words}\n".encode()[:1000])
            with suppress(ConnectionResetError):
                assert connection.recv(1) == b""
    assert databricks.calls == []


def test_only_this_user_can_reach_it_and_read_what_it_is_to_do(bridge: BridgeFiles, databricks: Databricks) -> None:
    assert stat.S_IMODE(bridge.private.stat().st_mode) == 0o700
    assert stat.S_IMODE(bridge.order.stat().st_mode) == stat.S_IMODE(bridge.log.stat().st_mode) == 0o600
    record = read_record(bridge)
    assert record is not None
    assert b"t" * 64 not in Path(f"/proc/{record.pid}/cmdline").read_bytes()
    listening = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout
    assert f"pid={record.pid}," not in listening


def test_where_containers_share_no_socket_it_is_a_port_of_loopback_behind_the_token(
    files: BridgeFiles, order: Order, databricks: Databricks, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.ensure(files, Order(**{**as_dict(order), "over_tcp": True}))
    port = json.loads(files.door.read_text())["port"]
    assert not files.socket.exists()
    monkeypatch.setattr(bridge_client, "MACHINE", "127.0.0.1")
    through = replace(settings, bridge=files.folder, bridge_seconds=30)
    assert greet(through)
    with socket.create_connection(("127.0.0.1", port), 5) as stranger:
        stranger.sendall(b"guess connect demo-ssh\n")
        assert stranger.recv(1) == b""
    with bridge_client.open_bridge(str(files.folder), f"connect {ALIAS}") as connection:
        connection.settimeout(10)
        assert connection.recv(4) == b"SSH-"


def test_a_relative_program_is_never_taken_from_the_folder_that_lab_up_was_called_in(
    files: BridgeFiles, order: Order, databricks: Databricks, home: Path, tmp_path: Path, settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / "proxy").write_text(f"#!/bin/sh\ntouch {tmp_path}/acted\n")
    (clone / "proxy").chmod(0o755)
    (home / ".ssh" / "config").write_text(f"Host {ALIAS}\n  ProxyCommand ./proxy\n")
    monkeypatch.chdir(clone)
    process.ensure(files, order)
    error = refused(replace(settings, bridge=files.folder, bridge_seconds=5))
    assert "not found" in error.said
    assert not (tmp_path / "acted").exists()
    databricks.program.rename(home / "proxy")
    for name in ("mood", "driver"):
        (databricks.folder / name).rename(home / name)
    connect(replace(settings, bridge=files.folder, bridge_seconds=30), ALIAS).close()


def test_an_ssh_config_without_it_any_more_is_said_so(through: Settings, home: Path, bridge: BridgeFiles) -> None:
    (home / ".ssh" / "config").write_text("")
    assert "Your ssh config has no ProxyCommand for the driver any more" in refused(through).said
    words = read_words(bridge)
    assert words is not None
    assert "'dbmirror lab up demo'" in words.lines[-1]


def test_the_ssh_config_is_asked_for_the_address_that_the_driver_has_now(
    files: BridgeFiles, order: Order, databricks: Databricks, home: Path, settings: Settings
) -> None:
    config = f"Host 127.0.*\n  User someone\n  ProxyCommand {databricks.program} %h %p %r %n\n"
    (home / ".ssh" / "config").write_text(config)
    process.ensure(files, Order(**{**as_dict(order), "host": None, "port": 2200}))
    through = replace(settings, bridge=files.folder, bridge_seconds=30)
    for address in ("127.0.0.7", "127.0.0.8"):
        connect(through, address).close()
    assert databricks.calls == [f"127.0.0.{last} 2200 someone 127.0.0.{last}" for last in (7, 8)]


def test_a_jump_host_in_front_of_the_driver_is_reached_through_it(
    settings: Settings, bridge: BridgeFiles, sshd: Sshd, databricks: Databricks
) -> None:
    """Both hops are the one server here: the first is behind the ProxyCommand, the driver behind the first."""
    jump = Jump(host=ALIAS, port=22, user=settings.user, name="jump-1", key=sshd.key)
    settings.known_hosts.write_text(f"{settings.known_hosts.read_text()}jump-1 {sshd.host_key}\n")
    through = replace(settings, bridge=bridge.folder, bridge_seconds=30, jumps=(jump,))
    connect(through, "127.0.0.1").close()
    assert len(databricks.calls) == 1
    databricks.feel("stopped")
    error = refused(through)
    assert error.jump == jump
    assert "is not running" in error.said
