"""The tunnel through jump hosts: real servers on loopback, each with a key and a host key of its own."""

from __future__ import annotations

import getpass
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dbmirror.lab_containers.tunnel.client_config import client_config
from dbmirror.lab_containers.tunnel.connection import NotConnected, connect, explain
from dbmirror.lab_containers.tunnel.settings import Jump, Settings, read_settings
from dbmirror.lab_containers.tunnel.supervisor import Supervisor
from dbmirror.lab_containers.tunnel.transitions import Trouble
from tests.lab_containers.conftest import CLUSTER, Sshd, children_of, free_port, make_key

CLOSED = "kex_exchange_identification: Connection closed by remote host"


@pytest.fixture
def bastions(tmp_path: Path) -> Iterator[list[Sshd]]:
    """Two servers to jump over, each of which lets its own key in and no other."""
    servers = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        servers.append(Sshd(folder=tmp_path / name, port=free_port()))
        servers[-1].start()
    yield servers
    for server in servers:
        if server.process is not None and server.process.poll() is None:
            server.kill()


@pytest.fixture
def through(settings: Settings, bastions: list[Sshd]) -> Settings:
    """The tunnel to the driver by way of both."""
    jumps = tuple(
        Jump(host="127.0.0.1", port=server.port, user=getpass.getuser(), name=f"jump-{number}", key=server.key)
        for number, server in enumerate(bastions, 1)
    )
    pins = "".join(f"{jump.name} {server.host_key}\n" for jump, server in zip(jumps, bastions, strict=True))
    settings.known_hosts.write_text(settings.known_hosts.read_text() + pins)
    return replace(settings, jumps=jumps)


def logins(server: Sshd) -> int:
    return (server.folder / "log").read_text().count("Accepted publickey")


def refused(settings: Settings) -> NotConnected:
    with pytest.raises(NotConnected) as caught:
        connect(settings, "127.0.0.1")
    return caught.value


def test_the_driver_is_reached_through_every_jump_host(through: Settings, bastions: list[Sshd], sshd: Sshd) -> None:
    connection = connect(through, "127.0.0.1")
    command = ["ssh", "-F", "none", "-S", str(through.control), "-o", "ProxyCommand=false", "driver", "echo", "there"]
    assert subprocess.run(command, capture_output=True, text=True, check=False, timeout=10).stdout == "there\n"
    assert connection.answers()
    assert [logins(server) for server in (*bastions, sshd)] == [1, 1, 1]
    connection.close()


def test_a_closed_connection_leaves_no_client_of_a_jump_host(through: Settings) -> None:
    connection = connect(through, "127.0.0.1")
    (proxy,) = children_of(connection._child.pid)
    clients = [proxy, *children_of(proxy)]
    assert len(clients) == 2
    connection.close()
    until = time.monotonic() + 5
    while time.monotonic() < until and any(_runs(pid) for pid in clients):
        time.sleep(0.05)
    assert not [pid for pid in clients if _runs(pid)]


def _runs(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_jump_host_without_a_key_of_its_own_gets_the_drivers(
    through: Settings, bastions: list[Sshd], tmp_path: Path
) -> None:
    for server in bastions:
        (server.folder / "authorized").write_text(through.key.with_suffix(".pub").read_text())
    (tmp_path / "empty").write_text("")
    keyless = tuple(
        replace(jump, key=key) for jump, key in zip(through.jumps, (tmp_path / "none", tmp_path / "empty"), strict=True)
    )
    connect(replace(through, jumps=keyless), "127.0.0.1").close()


@pytest.mark.parametrize("place", [0, 1])
def test_a_jump_host_that_refuses_the_key_is_named(through: Settings, bastions: list[Sshd], place: int) -> None:
    (bastions[place].folder / "authorized").write_text("")
    error = refused(through)
    assert (error.trouble, error.jump) == (Trouble.REFUSED, through.jumps[place])
    assert "Permission denied" in error.said


def test_a_driver_that_refuses_the_key_is_not_taken_for_a_jump_host(through: Settings, sshd: Sshd) -> None:
    (sshd.folder / "authorized").write_text("")
    error = refused(through)
    assert (error.trouble, error.jump) == (Trouble.REFUSED, None)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("pinned", [True, False])
def test_a_jump_host_with_another_host_key_or_none_is_named(
    through: Settings, tmp_path: Path, place: int, pinned: bool
) -> None:
    lines = through.known_hosts.read_text().splitlines()
    name = through.jumps[place].name
    other = " ".join(make_key(tmp_path / "changed").with_suffix(".pub").read_text().split()[:2])
    kept = [line for line in lines if not line.startswith(name)] + ([f"{name} {other}"] if pinned else [])
    through.known_hosts.write_text("\n".join([*kept, ""]))
    error = refused(through)
    wanted = Trouble.HOST_KEY_CHANGED if pinned else Trouble.HOST_KEY_UNKNOWN
    assert (error.trouble, error.jump) == (wanted, through.jumps[place])


def test_the_drivers_pin_does_not_do_for_a_jump_host(through: Settings, bastions: list[Sshd]) -> None:
    through.known_hosts.write_text(f"{CLUSTER},127.0.0.1 {bastions[0].host_key}\n")
    assert refused(through).trouble is Trouble.HOST_KEY_UNKNOWN


@pytest.mark.parametrize("place", [0, 1])
def test_a_jump_host_that_does_not_answer_is_named(through: Settings, bastions: list[Sshd], place: int) -> None:
    bastions[place].kill()
    error = refused(through)
    assert (error.trouble, error.jump) == (Trouble.UNREACHABLE, through.jumps[place])


def test_a_driver_that_does_not_answer_is_told_with_the_jump_host_that_tried(through: Settings, sshd: Sshd) -> None:
    sshd.kill()
    error = refused(through)
    assert (error.trouble, error.jump) == (Trouble.UNREACHABLE, None)
    assert error.said == f"the jump host {through.jumps[1].address} cannot connect to it"


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        ([CLOSED], None),
        ([CLOSED, CLOSED], "jump-2"),
        ([CLOSED, CLOSED, CLOSED], "jump-1"),
        (["ssh: connect to host x port 22: Connection timed out", CLOSED, CLOSED], "jump-1"),
        (["me@x: Permission denied (publickey)."], None),
        (["me@x: Permission denied (publickey).", "kex_exchange_identification: write: Broken pipe"], "jump-2"),
        ([], None),
        ([CLOSED] * 9, "jump-1"),
    ],
)
def test_the_hop_that_failed_is_the_one_that_so_many_clients_were_waiting_for(
    through: Settings, lines: list[str], name: str | None
) -> None:
    jump = explain(lines, through.jumps)[2]
    assert (jump.name if jump else None) == name


def test_the_state_names_the_jump_host_and_a_new_pin_is_tried_at_once(through: Settings, bastions: list[Sshd]) -> None:
    right = through.known_hosts.read_text()
    through.known_hosts.write_text(right.replace(f"jump-1 {bastions[0].host_key}", f"jump-1 {bastions[1].host_key}"))
    stop = threading.Event()
    runner = threading.Thread(target=Supervisor(through).run, args=(stop.is_set,))
    runner.start()
    try:
        found = _awaited(through, lambda state: state["state"] == "host-key-changed")
        assert f"The jump host {through.jumps[0].address} has another host key" in found["text"]
        through.known_hosts.write_text(right)
        assert _awaited(through, lambda state: state["state"] == "connected")
    finally:
        stop.set()
        runner.join(20)


def _awaited(settings: Settings, what: Callable[[dict[str, str]], bool]) -> dict[str, str]:
    until = time.monotonic() + 15
    state: dict[str, str] = {}
    while time.monotonic() < until:
        if settings.state_file.exists():
            state = json.loads(settings.state_file.read_text())
            if what(state):
                return state
        time.sleep(0.05)
    raise AssertionError(state)


def test_the_client_is_told_everything_by_a_file_for_its_user_alone(through: Settings) -> None:
    connect(through, "127.0.0.1").close()
    assert through.client_config.stat().st_mode & 0o777 == 0o600
    text = through.client_config.read_text()
    assert text.count("StrictHostKeyChecking yes") == 1
    assert text.rindex("Host *") < text.index("StrictHostKeyChecking yes")
    assert "BEGIN" not in text


def test_no_setting_of_a_hop_can_add_an_option() -> None:
    settings = read_settings(
        {
            "DBMIRROR_CLUSTER": CLUSTER,
            "DBMIRROR_JUMPS": "me@bastion.example:22 a.b+c@[2001:db8::1]:2222",
            "DBMIRROR_DRIVER_PORT": "2200",
            "DBMIRROR_DRIVER_USER": "some@one",
        }
    )
    lines = client_config(settings, "10.0.0.4").splitlines()
    assert [line for line in lines if line.startswith("Host ")] == [
        "Host jump-1",
        "Host jump-2",
        "Host driver",
        "Host *",
    ]
    assert "  ProxyJump jump-1,jump-2" in lines
    assert not [line for line in lines if "ProxyCommand" in line or "%" in line]
