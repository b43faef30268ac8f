"""The pinned host keys of driver and jump hosts, handed to a lab's tunnel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dbmirror.folders import known_hosts_file
from dbmirror.hosts.host_key import HostKey
from dbmirror.hosts.known_hosts import KnownHosts
from dbmirror.lab.paths import LabPaths, lab_paths
from dbmirror.lab_containers.tunnel.settings import MOST_JUMPS


def hand_pin_to_tunnel(folder: Path, cluster_id: str) -> bool:
    """Hand the pinned host key of `cluster_id` to the tunnel of the lab in `folder`, which sees it at once.

    Whether one is pinned. Does nothing where the lab was never prepared.
    """
    where = lab_paths(folder)
    if not where.private.is_dir():
        return False
    known = KnownHosts(known_hosts_file())
    keys = known.keys(cluster_id)
    where.pins.mkdir(exist_ok=True)
    where.pins.chmod(0o755)
    tunnels = KnownHosts(where.pins / "known_hosts")
    if tunnels.keys(cluster_id) != keys or not tunnels.path.is_file():
        tunnels.forget(cluster_id)
        for key in reversed(keys):
            tunnels.pin(cluster_id, key)
    if tunnels.path.is_file():
        tunnels.path.chmod(0o644)
    return bool(keys)


def hand_jump_pins_to_tunnel(where: LabPaths, keys: Sequence[tuple[HostKey, ...]]) -> None:
    """Hand the tunnel the trusted host keys of its jump hosts, in their order, in place of those that it had."""
    where.pins.mkdir(exist_ok=True)
    where.pins.chmod(0o755)
    tunnels = KnownHosts(where.pins / "known_hosts")
    for number in range(1, MOST_JUMPS + 1):
        name = f"jump-{number}"
        wanted = keys[number - 1] if number <= len(keys) else ()
        if set(tunnels.keys(name)) != set(wanted):
            tunnels.forget(name)
            for key in reversed(wanted):
                tunnels.pin(name, key)
    if tunnels.path.is_file():
        tunnels.path.chmod(0o644)
