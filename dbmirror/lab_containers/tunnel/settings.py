"""The tunnel's settings: environment variables of compose.yaml, and files that Docker mounts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TUNNEL = Path("/run/dbmirror/tunnel")
"""The folder that both containers share: control socket, state file, forwarded sockets."""
PRIVATE = Path("/run/dbmirror/private")
"""A folder in memory, for this container alone: the keys, and the ssh config that names them."""
PINS = Path("/run/dbmirror/pins/known_hosts")
"""The pinned host keys; a folder is mounted, so that a new pin is seen without a restart."""
WORKSPACE_TOKEN = Path("/run/dbmirror/workspace/token")
"""The workspace's token; a folder is mounted here, too, so that a renewed token is seen without a restart."""
BRIDGE = Path("/run/dbmirror/bridge")
"""How the bridge on the user's machine is reached, which runs a ProxyCommand; a folder, so that a new one is seen."""
SECRETS = Path("/run/secrets")
MOST_JUMPS = 3
"""How many jump hosts a way to the driver may have; compose.yaml has a secret for the key of each."""
LONGEST_BRIDGE = 600
"""Seconds that a connection through the bridge may take at the most."""
HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*|[0-9A-Fa-f:.]+")
_WORKSPACE = re.compile(r"(https://[A-Za-z0-9.-]+|http://(host\.docker\.internal|localhost|127\.0\.0\.1))(:\d+)?/?")
"""A token is sent over https, or to the machine that the lab runs on."""
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+-]*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_JUMP = re.compile(rf"({_USER.pattern})@(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9][A-Za-z0-9._-]*)):([0-9]{{1,5}})")


class SettingsInvalid(Exception):
    """A setting has not the form that it must have; the message names it."""


@dataclass(frozen=True)
class Jump:
    """A jump host on the way to the driver."""

    host: str
    """A name or address that the hop before it can connect to, and this container for the first."""
    port: int
    user: str
    name: str
    """`jump-1`, `jump-2`, …: what its host key is pinned under, and its block of the ssh config."""
    key: Path
    """Its private key, where it is another than the driver's; else no such file."""

    @property
    def address(self) -> str:
        """`user@host:port`, as messages show it."""
        return f"{self.user}@[{self.host}]:{self.port}" if ":" in self.host else f"{self.user}@{self.host}:{self.port}"


@dataclass(frozen=True)
class Settings:
    """What to connect to and what to forward."""

    mirror: str
    cluster: str
    """The cluster's id, under which its host key is pinned."""
    host: str | None
    """The driver's address where nothing newer is known; None where only the workspace knows."""
    fixed_host: str | None
    """The address that the configuration names, which beats the workspace's; None for the workspace's."""
    port: int
    user: str
    forwards: tuple[int, ...]
    """Ports of the driver, each listened on under the same number."""
    workspace: str | None
    """`https://…`, or this machine; None where the workspace is not to be asked."""
    jumps: tuple[Jump, ...] = ()
    """The hosts that the connection goes through, in their order."""
    bridge_seconds: int | None = None
    """How long a connection through the bridge may take; None where the first hop is connected to directly."""
    may_start_cluster: bool = False
    """The ProxyCommand starts a cluster that does not run: it is run only where the workspace says that it does."""
    bridge: Path = BRIDGE
    control: Path = TUNNEL / "control"
    state_file: Path = TUNNEL / "state.json"
    probe: Path = TUNNEL / "probe"
    """A socket that is forwarded to the driver for the probe alone."""
    key: Path = PRIVATE / "ssh-key"
    client_config: Path = PRIVATE / "ssh_config"
    """Written before each attempt: the only settings that ssh reads."""
    token: Path = WORKSPACE_TOKEN
    ca_bundle: Path = PRIVATE / "ca-bundle"
    known_hosts: Path = PINS


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings in `environment`. Raises SettingsInvalid; an empty variable is one that is not set."""

    def text(name: str, pattern: re.Pattern[str], default: str | None = None) -> str | None:
        value = environment.get(name, "") or default
        if value is not None and not pattern.fullmatch(value):
            raise SettingsInvalid(f"{name} has not the form that it must have.")
        return value

    return Settings(
        mirror=text("DBMIRROR_MIRROR", _NAME, "mirror") or "",
        cluster=text("DBMIRROR_CLUSTER", _NAME, "cluster") or "",
        host=text("DBMIRROR_DRIVER_HOST", HOST),
        fixed_host=text("DBMIRROR_DRIVER_FIXED_HOST", HOST),
        port=_port("DBMIRROR_DRIVER_PORT", environment.get("DBMIRROR_DRIVER_PORT", "")),
        user=text("DBMIRROR_DRIVER_USER", _USER, "") or "",
        forwards=tuple(_port("DBMIRROR_FORWARDS", each) for each in environment.get("DBMIRROR_FORWARDS", "").split()),
        workspace=text("DBMIRROR_WORKSPACE", _WORKSPACE),
        jumps=read_jumps(environment.get("DBMIRROR_JUMPS", "")),
        bridge_seconds=_seconds("DBMIRROR_BRIDGE_SECONDS", environment.get("DBMIRROR_BRIDGE_SECONDS", "")),
        may_start_cluster=environment.get("DBMIRROR_BRIDGE_STARTS", "") == "yes",
    )


def read_jumps(value: str) -> tuple[Jump, ...]:
    """The jump hosts of `USER@HOST:PORT USER@HOST:PORT`, in their order. Raises SettingsInvalid."""
    jumps = value.split()
    if len(jumps) > MOST_JUMPS:
        raise SettingsInvalid(f"DBMIRROR_JUMPS names {len(jumps)} jump hosts; {MOST_JUMPS} are the most.")
    return tuple(_jump(number, each) for number, each in enumerate(jumps, 1))


def _jump(number: int, value: str) -> Jump:
    parts = _JUMP.fullmatch(value)
    if parts is None:
        raise SettingsInvalid(f"DBMIRROR_JUMPS holds {value[:60]!r}, which is no USER@HOST:PORT.")
    user, numeric, host, digits = parts.groups()
    name = f"jump-{number}"
    return Jump(
        host=numeric or host,
        port=_port("DBMIRROR_JUMPS", digits),
        user=user,
        name=name,
        key=PRIVATE / f"{name}-key",
    )


def _seconds(name: str, value: str) -> int | None:
    if not value:
        return None
    if not (value.isdigit() and 0 < int(value) <= LONGEST_BRIDGE):
        raise SettingsInvalid(f"{name} holds {value[:20]!r}, which is no time in seconds.")
    return int(value)


def _port(name: str, value: str) -> int:
    if not (value.isdigit() and 0 < int(value) < 65536):
        raise SettingsInvalid(f"{name} holds {value[:20]!r}, which is no port.")
    return int(value)
