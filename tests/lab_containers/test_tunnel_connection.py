"""The supervisor's ssh child against a real sshd."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dbmirror.lab_containers.tunnel.connection import NotConnected, connect
from dbmirror.lab_containers.tunnel.settings import Settings
from dbmirror.lab_containers.tunnel.supervisor import Supervisor
from dbmirror.lab_containers.tunnel.transitions import Trouble
from tests.lab_containers.conftest import CLUSTER, Sshd, make_key


def through(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command on the server through the control socket alone."""
    command = ["ssh", "-F", "none", "-S", str(settings.control), "-o", "ProxyCommand=false", "driver", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)


def test_a_connection_carries_commands_and_forwards_and_leaves_no_process(settings: Settings, sshd: Sshd) -> None:
    connection = connect(settings, "127.0.0.1")
    assert through(settings, "echo", "hello").stdout == "hello\n"
    assert connection.answers()
    assert not connection.ended()
    connection.close()
    assert connection.ended()
    assert through(settings, "true").returncode != 0


def test_the_command_line_holds_the_keys_place_and_not_the_key(settings: Settings, sshd: Sshd) -> None:
    connection = connect(settings, "127.0.0.1")
    lines = b"".join(path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists())
    secret = sshd.key.read_text().splitlines()[2].encode()
    connection.close()
    assert str(settings.control).encode() in lines
    assert secret not in lines


@pytest.mark.parametrize("given", ["missing", "empty", "damaged", "other"])
def test_a_key_that_does_not_let_in_is_refused(settings: Settings, tmp_path: Path, given: str) -> None:
    key = tmp_path / "other"
    if given == "other":
        make_key(key)
    elif given != "missing":
        key.write_text("no key\n" if given == "damaged" else "")
        key.chmod(0o400)
    with pytest.raises(NotConnected) as caught:
        connect(replace(settings, key=key), "127.0.0.1")
    assert caught.value.trouble is Trouble.REFUSED


def test_another_host_key_than_the_pinned_one_is_told_apart_from_none(settings: Settings, tmp_path: Path) -> None:
    other = " ".join(make_key(tmp_path / "changed").with_suffix(".pub").read_text().split()[:2])
    settings.known_hosts.write_text(f"{CLUSTER} {other}\n")
    with pytest.raises(NotConnected) as changed:
        connect(settings, "127.0.0.1")
    settings.known_hosts.write_text("")
    with pytest.raises(NotConnected) as unknown:
        connect(settings, "127.0.0.1")
    assert (changed.value.trouble, unknown.value.trouble) == (Trouble.HOST_KEY_CHANGED, Trouble.HOST_KEY_UNKNOWN)


def test_a_server_that_does_not_answer_is_unreachable(settings: Settings, sshd: Sshd) -> None:
    sshd.kill()
    with pytest.raises(NotConnected) as caught:
        connect(settings, "127.0.0.1")
    assert caught.value.trouble is Trouble.UNREACHABLE
    assert "refused" in caught.value.said


def test_sockets_that_a_killed_supervisor_left_are_no_obstacle(settings: Settings) -> None:
    settings.control.write_text("")
    settings.probe.write_text("")
    stale = settings.control.parent / "k-1-0123456789ab"
    stale.write_text("")
    connection = connect(settings, "127.0.0.1")
    assert connection.answers()
    assert not stale.exists()
    connection.close()


@pytest.fixture
def supervised(settings: Settings) -> Iterator[Callable[[], str]]:
    """A supervisor that runs; the value says its published state."""
    stop = threading.Event()
    runner = threading.Thread(target=Supervisor(settings).run, args=(stop.is_set,))
    runner.start()
    yield lambda: str(json.loads(settings.state_file.read_text())["state"]) if settings.state_file.exists() else ""
    stop.set()
    runner.join(20)
    assert not runner.is_alive()


def reaches(state: Callable[[], str], wanted: str, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if state() == wanted:
            return True
        time.sleep(0.05)
    return False


def test_a_server_that_was_killed_and_came_back_is_connected_again_within_seconds(
    supervised: Callable[[], str], settings: Settings, sshd: Sshd
) -> None:
    assert reaches(supervised, "connected", 10)
    sshd.kill()
    assert reaches(supervised, "unreachable", 5)
    time.sleep(4)
    sshd.start()
    assert reaches(supervised, "connected", 5)
    assert through(settings, "echo", "back").stdout == "back\n"


def test_a_server_that_came_back_with_another_host_key_waits_for_the_new_pin(
    supervised: Callable[[], str], settings: Settings, sshd: Sshd
) -> None:
    assert reaches(supervised, "connected", 10)
    sshd.kill()
    sshd.new_host_key()
    sshd.start()
    assert reaches(supervised, "host-key-changed", 10)
    settings.known_hosts.write_text(f"{CLUSTER} {sshd.host_key}\n")
    assert reaches(supervised, "connected", 5)
