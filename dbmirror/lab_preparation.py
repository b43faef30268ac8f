"""What a lab is given of this machine before it starts: keys, host keys, the way to the driver, tokens, ports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dbmirror.engine import compose
from dbmirror.errors import DbmirrorError
from dbmirror.hosts.known_hosts import KnownHosts, trusted_keys
from dbmirror.hosts.ssh_config import Hop, SshTarget, find_route
from dbmirror.hosts.ssh_keys import default_files
from dbmirror.lab.tunnel.settings import MOST_JUMPS, SettingsInvalid, read_settings
from dbmirror.lab_files import (
    choose_ports,
    ensure_token,
    lab_user,
    places,
    publish_jump_pins,
    publish_pin,
    read_environment,
    write_environment,
    write_workspace_token,
)
from dbmirror.pipeline import Pipeline
from dbmirror.places import known_hosts_file
from dbmirror.workspace import clusters


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceLogin:
    """What the workspace says, and how the lab's containers log in to it; None for what could not be had."""

    address: str | None = None
    """The driver's."""
    url: str | None = None
    """The workspace's, as the containers reach it."""
    token: str | None = None


def prepare(pipeline: Pipeline) -> None:
    """Key, pinned host keys, tokens and ports of this machine, named in `.env`.

    What cannot be had is warned of: JupyterLab is of use without the driver. First contact asks for the host key.
    """
    where = places(pipeline.folder)
    user = lab_user(where)
    ensure_token(where, user=user)
    cluster_id = pipeline.snapshot().cluster.cluster_id
    workspace = log_in(pipeline, cluster_id)
    write_workspace_token(where, workspace.token, user=user)
    jumps, hop = way_to_driver(pipeline, cluster_id, workspace.address)
    key = next((file for file in hop.identity_files if file.is_file()), None)
    if key is None:
        pipeline.observer.warn(
            f"No SSH key file for the driver was found: the tunnel cannot log in. 'dbmirror ssh setup {pipeline.name}' "
            "makes one."
        )
    _ensure_pin(pipeline, cluster_id)
    publish_pin(pipeline.folder, cluster_id)
    _publish_jump_pins(pipeline, jumps)
    running = any(service.state == "running" for service in compose.services(pipeline.folder))
    known = read_environment(where)
    variables = {
        "DBMIRROR_SSH_KEY": str(key.absolute()) if key else "",
        "DBMIRROR_PINS": str(where.pins),
        "DBMIRROR_DRIVER_HOST": hop.host if workspace.address or pipeline.section.ssh.host else "",
        "DBMIRROR_DRIVER_FIXED_HOST": hop.host if pipeline.section.ssh.host else "",
        "DBMIRROR_DRIVER_PORT": str(hop.port),
        "DBMIRROR_DRIVER_USER": hop.user,
        "DBMIRROR_JUMPS": jumps_as_setting(jumps),
        **_jump_keys(pipeline, jumps, key),
        "DBMIRROR_WORKSPACE": workspace.url or "",
        "DBMIRROR_WORKSPACE_FOLDER": str(where.workspace),
        "DBMIRROR_LAB_TOKEN": str(where.token),
        "DBMIRROR_LAB_UID": str(user),
        "DBMIRROR_CA_BUNDLE": str(pipeline.ca_bundle) if pipeline.ca_bundle else "",
        **choose_ports(known, pipeline.section.lab.forwards, running=running),
    }
    if running and known.get("DBMIRROR_WORKSPACE"):
        # The address is asked for anew after a restart; writing it down would replace a container that works.
        variables["DBMIRROR_DRIVER_HOST"] = known.get("DBMIRROR_DRIVER_HOST", "")
    write_environment(where, variables)


def log_in(pipeline: Pipeline, cluster_id: str) -> WorkspaceLogin:
    """What the workspace of the mirror says, as far as it can be asked; a warning says why it cannot."""
    try:
        w = pipeline.access.workspace
        address = clusters.read(w, cluster_id).driver_address
        header = w.config.authenticate().get("Authorization", "")
    except (DbmirrorError, ValueError) as error:
        pipeline.observer.warn(f"The lab will not know of the cluster's restarts, nor reach its Spark: {error}")
        return WorkspaceLogin()
    kind, _, token = header.partition(" ")
    parts = urlsplit(w.config.host or "")
    if kind != "Bearer" or not parts.hostname:
        return WorkspaceLogin(address=address)
    if parts.hostname in {"127.0.0.1", "localhost"}:
        # Seen from a container this machine has another name.
        url = f"{parts.scheme}://host.docker.internal:{parts.port or 80}"
    else:
        url = f"{parts.scheme}://{parts.netloc}"
    return WorkspaceLogin(address=address, url=url, token=token)


def way_to_driver(pipeline: Pipeline, cluster_id: str, address: str | None) -> tuple[tuple[Hop, ...], Hop]:
    """The jump hosts and the driver as the user's ssh config has them.

    What the tunnel cannot do of it is warned of: then there are no jump hosts.
    """
    ssh = pipeline.section.ssh
    route = find_route(
        SshTarget(
            host=ssh.host or address or cluster_id,
            port=ssh.port,
            user=ssh.user,
            identity_files=(ssh.identity_file,) if ssh.identity_file else (),
            profile=pipeline.access.profile,
            host_key_alias=cluster_id,
        )
    )
    *jumps, hop = route.hops
    problem = _problem(route.hops)
    if problem:
        pipeline.observer.warn(f"{problem} The lab's tunnel tries the driver's own address.")
        return (), hop
    return tuple(jumps), hop


def _problem(hops: Sequence[Hop]) -> str:
    """Why the tunnel cannot go this way; empty where it can."""
    if any(hop.proxy_command for hop in hops):
        return (
            "The ssh config reaches the driver with a ProxyCommand, a program of this machine that a container does "
            "not have; a ProxyJump it could follow."
        )
    jumps = hops[:-1]
    if len(jumps) > MOST_JUMPS:
        return f"The ssh config reaches the driver through {len(jumps)} jump hosts; {MOST_JUMPS} are the most."
    try:
        read_settings({"DBMIRROR_JUMPS": jumps_as_setting(jumps)})
    except SettingsInvalid:
        return "The ssh config names a jump host whose user or address has a form that the tunnel does not take."
    return ""


def jumps_as_setting(jumps: Sequence[Hop]) -> str:
    """The jump hosts as the tunnel is told of them: `USER@HOST:PORT USER@HOST:PORT`."""
    return " ".join(f"{hop.user}@{hop.address}" for hop in jumps)


def _jump_keys(pipeline: Pipeline, jumps: Sequence[Hop], drivers: Path | None) -> dict[str, str]:
    """The key files of the jump hosts as variables of `.env`: empty where it is the driver's own."""
    found = {f"DBMIRROR_JUMP_KEY_{number}": "" for number in range(1, MOST_JUMPS + 1)}
    for number, hop in enumerate(jumps, 1):
        key = next((file for file in (*hop.identity_files, *default_files(hop)) if file.is_file()), None)
        if key is None:
            pipeline.observer.warn(
                f"No SSH key file for the jump host {hop.address} was found: the tunnel tries the driver's. It uses "
                "no agent; name one with IdentityFile in the ssh config."
            )
        elif drivers is None or key.absolute() != drivers.absolute():
            found[f"DBMIRROR_JUMP_KEY_{number}"] = str(key.absolute())
    return found


def _publish_jump_pins(pipeline: Pipeline, jumps: Sequence[Hop]) -> None:
    """Hand the tunnel the host keys that the user's known_hosts have for the jump hosts, or dbmirror's own."""
    own = KnownHosts(known_hosts_file())
    keys = [trusted_keys(hop.known_hosts, hop.name) or own.keys(hop.name) for hop in jumps]
    for hop, trusted in zip(jumps, keys, strict=True):
        if not trusted:
            pipeline.observer.warn(
                f"No host key of the jump host {hop.address} is known, so that the tunnel cannot connect. Connect to "
                f"it once by hand, with 'ssh -p {hop.port} {hop.user}@{hop.host}'; then 'dbmirror lab up "
                f"{pipeline.name}'."
            )
    publish_jump_pins(places(pipeline.folder), keys)


def _ensure_pin(pipeline: Pipeline, cluster_id: str) -> None:
    """Meet the driver for the first time if nothing is pinned for it; the question is the same as for a snapshot."""
    if KnownHosts(known_hosts_file()).keys(cluster_id):
        return
    try:
        _ = pipeline.access.driver
    except DbmirrorError as error:
        pipeline.observer.warn(f"No host key of the driver is pinned, so that the tunnel cannot connect: {error}")
