"""A real sshd on loopback, as the user who runs the tests, that can be stopped and started again."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from dbmirror.lab_containers.tunnel.settings import Settings

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"
CLUSTER = "0101-120000-abcdefgh"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_key(path: Path) -> Path:
    """An Ed25519 key as ssh-keygen writes one, and beside it the public one."""
    key = Ed25519PrivateKey.generate()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    path.chmod(0o600)
    path.with_name(f"{path.name}.pub").write_bytes(
        key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) + b"\n"
    )
    return path


def children_of(pid: int) -> list[int]:
    said = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], check=False, capture_output=True, text=True)
    return [int(word) for word in said.stdout.split()]


@dataclass
class Sshd:
    """A server with its files."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    key: Path = field(init=False)

    def __post_init__(self) -> None:
        self.key = make_key(self.folder / "key")
        make_key(self.folder / "host_key")
        (self.folder / "authorized").write_text((self.folder / "key.pub").read_text())

    @property
    def host_key(self) -> str:
        return " ".join((self.folder / "host_key.pub").read_text().split()[:2])

    def start(self) -> None:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        lines = [
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {self.folder / 'host_key'}",
            "PidFile none",
            f"AuthorizedKeysFile {self.folder / 'authorized'}",
            "StrictModes no",
            "UsePAM no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password",
            # What the tester's own shell reads at its start is no part of this, and may take its time.
            f"SetEnv HOME={self.folder}",
        ]
        (self.folder / "sshd_config").write_text("\n".join([*lines, ""]))
        self.process = subprocess.Popen(
            [SSHD, "-D", "-f", str(self.folder / "sshd_config"), "-E", str(self.folder / "log")],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError((self.folder / "log").read_text())

    def kill(self) -> None:
        """End the server and every session of it, as a crash of the driver does."""
        assert self.process is not None
        sessions = children_of(self.process.pid)
        self.process.kill()
        self.process.wait(10)
        for session in sessions:
            for pid in (*children_of(session), session):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def new_host_key(self) -> None:
        for name in ("host_key", "host_key.pub"):
            (self.folder / name).unlink()
        make_key(self.folder / "host_key")


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    if not Path(SSHD).exists():
        pytest.fail("these tests need OpenSSH's server: apt-get install openssh-server")
    folder = tmp_path / "sshd"
    folder.mkdir()
    server = Sshd(folder=folder, port=free_port())
    server.start()
    yield server
    if server.process is not None and server.process.poll() is None:
        server.kill()


@pytest.fixture
def settings(sshd: Sshd, tmp_path: Path) -> Settings:
    """A tunnel to the server, with its host key pinned. It forwards no port: the two share this machine's ports."""
    folder = tmp_path / "tunnel"
    folder.mkdir()
    pins = tmp_path / "pins"
    pins.write_text(f"{CLUSTER} {sshd.host_key}\n")
    return Settings(
        mirror="demo",
        cluster=CLUSTER,
        host="127.0.0.1",
        fixed_host=None,
        port=sshd.port,
        user=getpass.getuser(),
        forwards=(),
        workspace=None,
        control=folder / "control",
        state_file=folder / "state.json",
        probe=folder / "probe",
        key=sshd.key,
        client_config=folder / "ssh_config",
        token=tmp_path / "no-token",
        ca_bundle=tmp_path / "no-bundle",
        known_hosts=pins,
    )
