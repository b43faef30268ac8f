"""A real sshd on loopback, as the user who runs the tests, with a home folder of the test's own."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dbmirror.hosts.host_key import HostKey
from dbmirror.hosts.known_hosts import KnownHosts, trusted_keys
from dbmirror.hosts.ssh import SshHost, SshTarget, connect

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"
USER = getpass.getuser()


@dataclass(frozen=True)
class Sshd:
    """A running server."""

    port: int
    host_key: Path
    folder: Path

    @property
    def public_key(self) -> HostKey:
        kind, blob = self.host_key.with_suffix(".pub").read_text().split()[:2]
        line = self.folder / "line"
        line.write_text(f"here {kind} {blob}\n")
        return trusted_keys([line], "here")[0]

    @property
    def known_hosts_line(self) -> str:
        return f"[127.0.0.1]:{self.port} {' '.join(self.host_key.with_suffix('.pub').read_text().split()[:2])}\n"


def make_key(path: Path, *, kind: str = "ed25519", passphrase: str = "", bits: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    size = ["-b", bits] if bits else []
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, *size, "-N", passphrase, "-C", f"comment of {path.name}", "-f", str(path)],
        check=True,
    )
    return path


def left_running(before: Collection[threading.Thread]) -> list[threading.Thread]:
    """The threads that came since `before` and do not end by themselves: each is waited for."""
    until = time.monotonic() + 30
    since = [thread for thread in threading.enumerate() if thread not in before]
    for thread in since:
        thread.join(max(until - time.monotonic(), 0))
    return [thread for thread in since if thread.is_alive()]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The client's home folder; without an agent."""
    folder = tmp_path / "home"
    (folder / ".ssh").mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return folder


@pytest.fixture(scope="session")
def login_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The private key that every server accepts."""
    return make_key(tmp_path_factory.mktemp("login") / "id_login")


@pytest.fixture(scope="session")
def _start(tmp_path_factory: pytest.TempPathFactory, login_key: Path) -> Iterator[Callable[..., Sshd]]:
    if not Path(SSHD).exists():
        pytest.fail("these tests need OpenSSH's server: apt-get install openssh-server")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    running: list[subprocess.Popen[bytes]] = []

    def start(*lines: str, port: int | None = None, authorized: str | None = None) -> Sshd:
        folder = tmp_path_factory.mktemp("sshd")
        number = port or free_port()
        host_key = make_key(folder / "host_key")
        (folder / "authorized").write_text(authorized or login_key.with_suffix(".pub").read_text())
        (folder / "sshd_config").write_text(
            "\n".join(
                [
                    *lines,
                    f"Port {number}",
                    "ListenAddress 127.0.0.1",
                    f"HostKey {host_key}",
                    "PidFile none",
                    f"AuthorizedKeysFile {folder / 'authorized'}",
                    "StrictModes no",
                    "UsePAM no",
                    "PasswordAuthentication no",
                    "KbdInteractiveAuthentication no",
                    "PermitRootLogin prohibit-password",
                    # What the tester's own shell reads at its start is no part of this, and may take its time.
                    f"SetEnv HOME={folder}",
                    "",
                ]
            )
        )
        command = [SSHD, "-D", "-f", str(folder / "sshd_config"), "-E", str(folder / "log")]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        running.append(process)
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", number)) == 0:
                    return Sshd(port=number, host_key=host_key, folder=folder)
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
        raise AssertionError((folder / "log").read_text())

    yield start
    for process in running:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture
def start_sshd(_start: Callable[..., Sshd]) -> Callable[..., Sshd]:
    """Start a server with further lines of sshd_config."""
    return _start


@pytest.fixture(scope="session")
def sshd(_start: Callable[..., Sshd]) -> Sshd:
    """A plain server, shared by the tests that do not change it."""
    return _start()


@pytest.fixture
def known_hosts(tmp_path: Path) -> KnownHosts:
    """dbmirror's own file, empty."""
    return KnownHosts(tmp_path / "state" / "known_hosts")


@pytest.fixture
def target(sshd: Sshd, login_key: Path) -> SshTarget:
    """The plain server as a cluster's driver."""
    return target_of(sshd, login_key)


def target_of(server: Sshd, key: Path) -> SshTarget:
    return SshTarget(
        host="127.0.0.1", port=server.port, user=USER, identity_files=(key,), host_key_alias="0101-120000-driver"
    )


@pytest.fixture
def host(target: SshTarget, known_hosts: KnownHosts) -> Iterator[SshHost]:
    """A connection to the plain server."""
    with connect(target, known_hosts=known_hosts, confirm=None, accept_new=True) as connected:
        yield connected
