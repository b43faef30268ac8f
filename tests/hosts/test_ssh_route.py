from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from dbmirror.hosts import ssh_errors as errors
from dbmirror.hosts.known_hosts import KnownHosts
from dbmirror.hosts.ssh import SshHost, SshTarget, connect
from dbmirror.hosts.ssh_config import find_route
from dbmirror.progress import Observer
from tests.hosts.conftest import USER, Sshd, free_port, left_running


@dataclass(frozen=True)
class Network:
    """A user with an ssh config, a driver, and a jump host that both accept the user's key."""

    home: Path
    driver: Sshd
    jump: Sshd
    key: Path
    known_hosts: KnownHosts

    def configure(self, text: str) -> None:
        everywhere = f"Host *\n User {USER}\n IdentityFile {self.key}\n"
        (self.home / ".ssh" / "config").write_text(text + everywhere)

    def trust(self, *servers: Sshd) -> None:
        (self.home / ".ssh" / "known_hosts").write_text("".join(server.known_hosts_line for server in servers))

    def open(self) -> SshHost:
        target = SshTarget(host="driver", host_key_alias="0101-120000-driver", label="driver of demo")
        return connect(target, known_hosts=self.known_hosts, confirm=None, accept_new=True, deadline=10)


@pytest.fixture
def network(
    home: Path, sshd: Sshd, start_sshd: Callable[..., Sshd], login_key: Path, known_hosts: KnownHosts
) -> Network:
    return Network(home=home, driver=sshd, jump=start_sshd(), key=login_key, known_hosts=known_hosts)


def test_an_alias_of_the_ssh_config_is_all_that_is_needed(network: Network) -> None:
    network.configure(f"Host driver\n HostName 127.0.0.1\n Port {network.driver.port}\n")
    with network.open() as host:
        assert host.name == f"driver of demo (127.0.0.1:{network.driver.port})"
        assert host.run(["echo", "there"]).stdout == b"there\n"


def test_a_jump_host_leads_to_the_target(network: Network) -> None:
    network.trust(network.jump)
    network.configure(
        f"Host driver\n HostName 127.0.0.1\n Port {network.driver.port}\n ProxyJump bastion\n"
        f"Host bastion\n HostName 127.0.0.1\n Port {network.jump.port}\n"
    )
    threads = threading.enumerate()
    with network.open() as host:
        assert len(host.run(["head", "-c", "3000000", "/dev/zero"]).stdout) == 3_000_000
    assert left_running(threads) == []
    assert "Accepted publickey" in (network.jump.folder / "log").read_text()
    assert sorted(path.name for path in (network.home / ".ssh").iterdir()) == ["config", "known_hosts"]


def test_a_chain_of_jump_hosts_is_followed_in_order(network: Network, start_sshd: Callable[..., Sshd]) -> None:
    second = start_sshd()
    network.trust(network.jump, second)
    network.configure(
        f"Host driver\n HostName 127.0.0.1\n Port {network.driver.port}\n"
        f" ProxyJump {USER}@127.0.0.1:{network.jump.port},ssh://{USER}@127.0.0.1:{second.port}\n"
    )
    with network.open() as host:
        assert host.run(["echo", "there"]).stdout == b"there\n"


def test_a_jump_host_that_the_user_never_met_is_refused_and_not_learned(network: Network) -> None:
    network.configure(
        f"Host driver\n HostName 127.0.0.1\n Port {network.driver.port}\n ProxyJump 127.0.0.1:{network.jump.port}\n"
    )
    with pytest.raises(errors.HostKeyUnknown) as caught:
        network.open()
    assert f"ssh -p {network.jump.port} {USER}@127.0.0.1" in caught.value.remedy
    assert not (network.home / ".ssh" / "known_hosts").exists()


def test_a_jump_host_with_a_changed_key_is_refused(network: Network) -> None:
    key = network.driver.known_hosts_line.split(" ", 1)[1]
    (network.home / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{network.jump.port} {key}")
    network.configure(
        f"Host driver\n HostName 127.0.0.1\n Port {network.driver.port}\n ProxyJump 127.0.0.1:{network.jump.port}\n"
        "Host *\n StrictHostKeyChecking accept-new\n"
    )
    with pytest.raises(errors.HostKeyChanged, match="has changed"):
        network.open()


def test_a_jump_host_that_cannot_reach_the_target_is_said_so(network: Network) -> None:
    network.trust(network.jump)
    network.configure(
        f"Host driver\n HostName 127.0.0.1\n Port {free_port()}\n ProxyJump 127.0.0.1:{network.jump.port}\n"
    )
    with pytest.raises(errors.Unreachable, match="the jump host says 'Connect"):
        network.open()


def test_jumps_without_an_end_are_refused(network: Network) -> None:
    network.configure("Host driver\n ProxyJump driver\n")
    with pytest.raises(errors.SshConfigInvalid, match="have no end"):
        network.open()


@pytest.mark.parametrize(
    "tool", ["nc %h %p", 'sh -c "nc %h %p"', 'sh -c \'echo starting >&2; exec nc "$0" "$1"\' %h %p']
)
def test_a_proxy_command_carries_the_connection(network: Network, tool: str) -> None:
    network.configure(f"Host driver\n HostName 127.0.0.1\n Port {network.driver.port}\n ProxyCommand {tool}\n")
    with network.open() as host:
        assert len(host.run(["head", "-c", "3000000", "/dev/zero"]).stdout) == 3_000_000


def test_a_proxy_command_is_told_the_port_and_user_that_hold(network: Network, tmp_path: Path) -> None:
    text = f"Host driver\n HostName 10.0.0.4\n ProxyCommand echo %h %p %r >{tmp_path}/told\n"
    (network.home / ".ssh" / "config").write_text(text)
    with pytest.raises(errors.ProxyCommandFailed):
        network.open()
    assert (tmp_path / "told").read_text() == "10.0.0.4 2200 ubuntu\n"


def test_openssh_as_a_proxy_command_works(network: Network) -> None:
    network.trust(network.jump)
    ssh = f"ssh -F none -i {network.key} -o UserKnownHostsFile={network.home}/.ssh/known_hosts -o BatchMode=yes"
    network.configure(
        f"Host driver\n HostName 127.0.0.1\n Port {network.driver.port}\n"
        f" ProxyCommand {ssh} -p {network.jump.port} -W %h:%p {USER}@127.0.0.1\n"
    )
    with network.open() as host:
        assert host.run(["echo", "there"]).stdout == b"there\n"


def test_a_proxy_command_that_fails_says_what_it_said_and_at_once(network: Network) -> None:
    network.configure("Host driver\n ProxyCommand sh -c 'echo cluster is not running >&2; exit 3'\n")
    began = time.monotonic()
    with pytest.raises(errors.ProxyCommandFailed, match="ended with code 3 and said: cluster is not running"):
        network.open()
    assert time.monotonic() - began < 4


def test_a_proxy_command_that_starts_slowly_is_waited_for_and_it_is_said(network: Network) -> None:
    network.configure(
        f"Host driver\n HostName 127.0.0.1\n Port {network.driver.port}\n ProxyCommand sh -c 'sleep 4; exec nc %h %p'\n"
    )
    notes: list[str] = []
    observer = Observer()
    observer.note = notes.append  # type: ignore[method-assign]
    target = SshTarget(host="driver", host_key_alias="0101-120000-driver")
    assert find_route(target).seconds(10) == 120
    connect(
        target, known_hosts=network.known_hosts, confirm=None, accept_new=True, patience=1, observer=observer
    ).close()
    address = f"127.0.0.1:{network.driver.port}"
    assert notes[0] == f"The ProxyCommand of your ssh config connects to {address}; it has 120 s."


def test_a_proxy_command_that_is_missing_is_said_so(network: Network) -> None:
    network.configure("Host driver\n ProxyCommand no-such-program %h\n")
    with pytest.raises(errors.ProxyCommandFailed, match=r"ended with code 127 and said: .*not found"):
        network.open()


def test_a_proxy_command_that_hangs_is_ended_at_the_deadline_with_its_children(
    network: Network, tmp_path: Path
) -> None:
    command = f"sh -c 'sleep 60 & echo $! >{tmp_path}/pid; echo cluster is starting >&2; wait'"
    network.configure(f"Host driver\n ConnectTimeout 1\n ProxyCommand {command}\n")
    with pytest.raises(errors.DeadlinePassed, match=r"within 1 s .*the ProxyCommand said: cluster is starting"):
        connect(SshTarget(host="driver"), known_hosts=network.known_hosts, confirm=None)
    process = int((tmp_path / "pid").read_text())
    for _ in range(40):
        if not Path(f"/proc/{process}").exists() or "Z" in Path(f"/proc/{process}/stat").read_text().split()[2]:
            break
        time.sleep(0.05)
    else:
        os.kill(process, 9)
        pytest.fail("the child of the ProxyCommand is still running")


def test_ctrl_c_while_it_connects_leaves_no_thread_and_no_child(network: Network, tmp_path: Path) -> None:
    command = f'sh -c \'echo $$ >{tmp_path}/pid; exec nc "$0" "$1"\' %h %p'
    network.configure(f"Host driver\n HostName 127.0.0.1\n Port {network.driver.port}\n ProxyCommand {command}\n")
    threads = threading.enumerate()

    def interrupted(_: object) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        connect(SshTarget(host="driver"), known_hosts=network.known_hosts, confirm=interrupted)
    assert left_running(threads) == []
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()
