"""What the tunnel is told: environment variables of compose.yaml, and files that Docker mounts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TUNNEL = Path("/run/dbmirror/tunnel")
"""The folder that both containers share: control socket, state file, forwarded sockets."""
PRIVATE = Path("/run/dbmirror/private")
"""A folder in memory, for this container alone: the key and the workspace token, readable by their user only."""
PINS = Path("/run/dbmirror/pins/known_hosts")
"""The pinned host key; a folder is mounted, so that a new pin is seen without a restart."""
SECRETS = Path("/run/secrets")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*|[0-9A-Fa-f:.]+")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+-]*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class SettingsInvalid(Exception):
    """A setting has not the form that it must have; the message names it."""


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
    """`https://…`; None where the workspace is not to be asked."""
    control: Path = TUNNEL / "control"
    state_file: Path = TUNNEL / "state.json"
    probe: Path = TUNNEL / "probe"
    """A socket that is forwarded to the driver for the probe alone."""
    key: Path = PRIVATE / "ssh-key"
    token: Path = PRIVATE / "workspace-token"
    ca_bundle: Path = PRIVATE / "ca-bundle"
    known_hosts: Path = PINS


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings in `environment`. Raises SettingsInvalid; an empty variable is one that is not set."""

    def text(name: str, pattern: re.Pattern[str], default: str | None = None) -> str | None:
        value = environment.get(name, "") or default
        if value is not None and not pattern.fullmatch(value):
            raise SettingsInvalid(f"{name} has not the form that it must have.")
        return value

    def port(name: str, value: str) -> int:
        if not (value.isdigit() and 0 < int(value) < 65536):
            raise SettingsInvalid(f"{name} holds {value[:20]!r}, which is no port.")
        return int(value)

    forwards = environment.get("DBMIRROR_FORWARDS", "").split()
    return Settings(
        mirror=text("DBMIRROR_MIRROR", _NAME, "mirror") or "",
        cluster=text("DBMIRROR_CLUSTER", _NAME, "cluster") or "",
        host=text("DBMIRROR_DRIVER_HOST", _HOST),
        fixed_host=text("DBMIRROR_DRIVER_FIXED_HOST", _HOST),
        port=port("DBMIRROR_DRIVER_PORT", environment.get("DBMIRROR_DRIVER_PORT") or "2200"),
        user=text("DBMIRROR_DRIVER_USER", _USER, "ubuntu") or "",
        forwards=tuple(port("DBMIRROR_FORWARDS", value) for value in forwards),
        workspace=text("DBMIRROR_WORKSPACE", re.compile(r"https?://[A-Za-z0-9.-]+(:\d+)?/?")),
    )
