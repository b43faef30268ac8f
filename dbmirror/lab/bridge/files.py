"""The files of a lab's bridge: what it is to do, how it is reached, which process it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from dbmirror.files import canonical_json, write_atomically
from dbmirror.foreign_text.decoding import decode_json
from dbmirror.hosts.ssh_config import SshTarget
from dbmirror.lab.paths import LabPaths
from dbmirror.lab_containers.tunnel.bridge import SAID
from dbmirror.lab_containers.tunnel.bridge_client import DOOR, SOCKET


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a bridge is to do. It ends when the file goes, or holds another order."""

    token: str
    """What a connection has to show."""
    mirror: str
    over_tcp: bool
    """It listens on a port of 127.0.0.1: containers of this engine cannot share a Unix socket with this machine."""
    cluster: str
    """The cluster's id, under which its host key is pinned."""
    host: str | None = None
    """The host of the ssh config that the configuration names; None for the address that the tunnel names."""
    port: int | None = None
    user: str | None = None
    profile: str | None = None
    agent: str | None = None
    """The socket of the key agent that the ProxyCommand may use (SSH_AUTH_SOCK)."""

    def target(self, address: str) -> SshTarget:
        """The driver, as the ssh config is asked for it; at `address` where no host is named."""
        return SshTarget(
            host=self.host or address,
            port=self.port,
            user=self.user,
            profile=self.profile,
            host_key_alias=self.cluster,
        )


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Which process the bridge is."""

    pid: int
    started: str
    """As `processes.identity.started` says it."""


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """What the last ProxyCommand said on stderr, cleaned."""

    at: float
    """When it was started, in seconds since 1970."""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BridgeFiles:
    """Where they lie: all but `door`, `socket` and `said`, which the tunnel sees, are for this user alone."""

    private: Path
    """The lab's folder that only this user can enter."""

    @property
    def folder(self) -> Path:
        """What the tunnel's container mounts, readable by whichever uid it has: no other user gets past `private`."""
        return self.private / "bridge"

    @property
    def order(self) -> Path:
        """The Order."""
        return self.private / "bridge.json"

    @property
    def record(self) -> Path:
        """The Record."""
        return self.private / "bridge.pid"

    @property
    def log(self) -> Path:
        """What the bridge did and its ProxyCommands said, the newest lines."""
        return self.private / "bridge.log"

    @property
    def output(self) -> Path:
        """What the process itself printed: nothing, unless it failed."""
        return self.private / "bridge.out"

    @property
    def door(self) -> Path:
        """The token, and the port where it listens on one."""
        return self.folder / DOOR

    @property
    def socket(self) -> Path:
        """The Unix socket."""
        return self.folder / SOCKET

    @property
    def said(self) -> Path:
        """The Words."""
        return self.folder / SAID


def bridge_files(where: LabPaths) -> BridgeFiles:
    """The files of the bridge of this lab."""
    return BridgeFiles(where.private)


def make_folder(files: BridgeFiles) -> Path:
    """The folder that the tunnel mounts, made if it is missing."""
    files.folder.mkdir(exist_ok=True)
    files.folder.chmod(0o755)
    return files.folder


def read_order(files: BridgeFiles) -> Order | None:
    """The order that is there; None where there is none, or a damaged one."""
    try:
        return decode_json(files.order.read_bytes(), Order)
    except (OSError, msgspec.DecodeError):
        return None


def write_order(files: BridgeFiles, order: Order) -> None:
    """Keep the order."""
    write_atomically(files.order, canonical_json(order), mode=0o600)


def read_record(files: BridgeFiles) -> Record | None:
    """Which process the bridge was; None where that is not known."""
    try:
        return decode_json(files.record.read_bytes(), Record)
    except (OSError, msgspec.DecodeError):
        return None


def read_words(files: BridgeFiles) -> Words | None:
    """What the last ProxyCommand said; None where there was none."""
    try:
        return decode_json(files.said.read_bytes(), Words)
    except (OSError, msgspec.DecodeError):
        return None


def read_log(files: BridgeFiles) -> list[str]:
    """The newest lines of what the bridge did and its ProxyCommands said; none where there was no bridge."""
    try:
        return files.log.read_text().splitlines()
    except OSError:
        return []
