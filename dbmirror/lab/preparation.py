"""Prepares the start of a lab: keys, host keys, the way to the driver, tokens, ports."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from msgspec import structs

from dbmirror.engine import compose
from dbmirror.engine.docker import Machine, machine
from dbmirror.engine.errors import EngineError
from dbmirror.errors import DbmirrorError
from dbmirror.folders import known_hosts_file
from dbmirror.hosts.known_hosts import KnownHosts, trusted_keys
from dbmirror.hosts.offered_keys import default_files
from dbmirror.hosts.ssh_config import Hop, Route, SshTarget, find_route
from dbmirror.lab.bridge.prepare import prepare_bridge
from dbmirror.lab.model import Lab, Supplies
from dbmirror.lab.paths import LabPaths, lab_paths
from dbmirror.lab.pins import hand_jump_pins_to_tunnel, hand_pin_to_tunnel
from dbmirror.lab.ports import choose_ports
from dbmirror.lab.tokens import ensure_token, read_workspace_token, write_workspace_token
from dbmirror.lab.user import lab_user
from dbmirror.lab.variables import read_environment, write_environment
from dbmirror.lab_containers.tunnel.settings import MOST_JUMPS, SettingsInvalid, read_jumps

_LAST_ADDRESS: Final = "DBMIRROR_LAST_ADDRESS"
"""For the next preparation alone: what the ssh config was asked for when the workspace last stated it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceLogin:
    """What the workspace says, and how the lab's containers log in to it; None for what it does not say."""

    address: str | None = None
    """The driver's."""
    url: str | None = None
    """The workspace's, as the containers reach it."""
    token: str | None = None


def prepare(lab: Lab, supplies: Supplies) -> None:
    """Key, pinned host keys, tokens and ports of this machine, named in the lab's environment file.

    Warns of what is missing: JupyterLab is of use without the driver. Keeps what an earlier preparation knew where it
    is not known now, so that no container that works is replaced. First contact asks for the host key.
    """
    where = lab_paths(lab.folder)
    if lab.ssh.host is None and supplies.ssh_host is not None:
        lab = replace(lab, ssh=structs.replace(lab.ssh, host=supplies.ssh_host))
    engine = _machine()
    user = lab_user(where, engine_maps_users=engine is not None and engine.maps_users)
    _warn_of_other_owner(lab, where, user)
    ensure_token(where, user=user)
    known = read_environment(where)
    kept = WorkspaceLogin(url=known.get("DBMIRROR_WORKSPACE") or None, token=read_workspace_token(where))
    workspace = log_in(lab, supplies, kept=kept)
    write_workspace_token(where, workspace.token, user=user)
    # A cluster that does not run has no address, but its next one is reached as the last one was.
    address = workspace.address or known.get(_LAST_ADDRESS) or known.get("DBMIRROR_DRIVER_HOST") or None
    route = way_to_driver(lab, supplies, address)
    *jumps, hop = route.hops
    key = next((file for file in hop.identity_files if file.is_file()), None)
    if key is None:
        lab.observer.warn(
            f"No SSH key file for the driver was found: the tunnel cannot log in. 'dbmirror ssh setup {lab.mirror}' "
            "makes one."
        )
    _ensure_pin(lab, supplies)
    hand_pin_to_tunnel(lab.folder, supplies.cluster)
    _hand_jump_pins_to_tunnel(lab, jumps)
    running = _runs(lab)
    variables = {
        "DBMIRROR_SSH_KEY": str(key.absolute()) if key else "",
        "DBMIRROR_PINS": str(where.pins),
        "DBMIRROR_DRIVER_HOST": hop.host if address or lab.ssh.host else "",
        "DBMIRROR_DRIVER_FIXED_HOST": hop.host if lab.ssh.host else "",
        "DBMIRROR_DRIVER_PORT": str(hop.port),
        "DBMIRROR_DRIVER_USER": hop.user,
        _LAST_ADDRESS: address or "",
        "DBMIRROR_JUMPS": jumps_as_setting(jumps),
        **_jump_keys(lab, jumps, key),
        **prepare_bridge(lab, supplies, route, shares_kernel=engine is None or engine.shares_kernel),
        "DBMIRROR_WORKSPACE": workspace.url or "",
        "DBMIRROR_WORKSPACE_FOLDER": str(where.workspace),
        "DBMIRROR_LAB_TOKEN": str(where.token),
        "DBMIRROR_LAB_UID": str(user),
        "DBMIRROR_LAB_FILES": str(where.fetched),
        "DBMIRROR_LAB_MEMORY": lab.settings.memory or (_share(engine) if engine else ""),
        # The shell's SSL_CERT_FILE, which compose.yaml falls back to, is not asked again.
        "DBMIRROR_CA_BUNDLE": _ca_bundle(supplies, known, running=running) or os.devnull,
        **choose_ports(known, lab.settings.forwards, running=running),
    }
    if running and known.get("DBMIRROR_WORKSPACE"):
        # The address is asked for anew after a restart; writing it down would replace a container that works.
        variables["DBMIRROR_DRIVER_HOST"] = known.get("DBMIRROR_DRIVER_HOST", "")
    write_environment(where, variables)


def settle_ports(lab: Lab) -> None:
    """Choose the ports of this machine again, right before a start: while images are built others may take them."""
    where = lab_paths(lab.folder)
    known = read_environment(where)
    write_environment(where, {**known, **choose_ports(known, lab.settings.forwards, running=_runs(lab))})


def log_in(lab: Lab, supplies: Supplies, *, kept: WorkspaceLogin) -> WorkspaceLogin:
    """What the workspace of the mirror says; `kept`, and a warning why, where it cannot be asked.

    A login that containers cannot use is warned of, too: it has no token that could be handed on.
    """
    # The SDK takes a second to import, and most of a lab's commands do without it.
    from dbmirror.workspace import clusters  # noqa: PLC0415
    from dbmirror.workspace.errors import said_clearly  # noqa: PLC0415

    warn = lab.observer.warn
    try:
        w = supplies.workspace()
        address = clusters.read(w, supplies.cluster).driver_address
        with said_clearly(w.config.host, profile=w.config.profile, auth=w.config.auth_type):
            header = w.config.authenticate().get("Authorization", "")
    except DbmirrorError as error:
        why = error.of_mirror(lab.mirror)
        warn(
            f"The lab keeps the login and the way to the driver that it has, as the workspace cannot be asked: {why}"
            if kept.url
            else f"The lab will not know of the cluster's restarts, nor reach its Spark: {why}"
        )
        return kept
    kind, _, token = header.partition(" ")
    if kind != "Bearer":
        warn(
            "The lab will not know of the cluster's restarts, nor reach its Spark: the profile "
            f"{supplies.profile!r} logs in with {w.config.auth_type or 'nothing'!r}, which gives no token that "
            "the lab could use. A profile with a personal access token or of 'databricks auth login' works; then "
            f"'dbmirror lab up {lab.mirror}'."
        )
        return WorkspaceLogin(address=address)
    return WorkspaceLogin(address=address, url=url_in_containers(w.config.host or ""), token=token)


def url_in_containers(url: str) -> str:
    """The workspace's `url` as the containers reach it: seen from there, this machine has another name."""
    parts = urlsplit(url)
    name = "host.docker.internal" if parts.hostname in {"127.0.0.1", "::1", "localhost"} else parts.hostname
    return f"{parts.scheme}://{name}:{parts.port}" if parts.port else f"{parts.scheme}://{name}"


def way_to_driver(lab: Lab, supplies: Supplies, address: str | None) -> Route:
    """The jump hosts and the driver as the user's ssh config has them.

    What the tunnel cannot do of it is warned of: then there are no jump hosts. So is a driver of which no `address` is
    known: the ssh config is asked for its cluster instead.
    """
    ssh = lab.ssh
    if not (ssh.host or address):
        lab.observer.warn(
            "The driver's address is not known yet: the tunnel will go the way that the ssh config has for the "
            "cluster's id. If it has another one for the driver's address (jump hosts, a user, a key), run 'dbmirror "
            f"lab up {lab.mirror}' again once the cluster runs."
        )
    route = find_route(
        SshTarget(
            host=ssh.host or address or supplies.cluster,
            port=ssh.port,
            user=ssh.user,
            identity_files=(ssh.identity_file,) if ssh.identity_file else (),
            profile=supplies.profile,
            host_key_alias=supplies.cluster,
        )
    )
    problem = _problem(route.hops[:-1])
    if problem:
        lab.observer.warn(f"{problem} The lab's tunnel tries the driver's own address.")
        return replace(route, hops=route.hops[-1:])
    return route


def _runs(lab: Lab) -> bool:
    return any(service.state == "running" for service in compose.services(lab_paths(lab.folder).project))


def _machine() -> Machine | None:
    """The engine's machine; None where no engine answers, without which there is nothing to start."""
    try:
        return machine()
    except EngineError:
        return None


def _share(engine: Machine) -> str:
    """Three quarters of the memory, so that a notebook that takes all it can get does not end other programs."""
    return f"{engine.memory_bytes * 3 // 4 >> 20}m"


def _warn_of_other_owner(lab: Lab, where: LabPaths, user: int) -> None:
    owner = where.notebooks.lstat().st_uid
    if os.name == "posix" and owner != user:
        lab.observer.warn(
            f"{where.notebooks} belongs to user {owner}, and the lab runs as user {user}: notebooks can be read, not "
            f"saved. Run 'dbmirror lab up {lab.mirror}' as user {owner}, or give the folder away: "
            f"chown -R {user}:{user} {shlex.quote(str(where.notebooks))}"
        )


def _ca_bundle(supplies: Supplies, known: Mapping[str, str], *, running: bool) -> str:
    """The file of certificate authorities that is named now; else the one that a `running` lab was started with."""
    if supplies.ca_bundle:
        return str(supplies.ca_bundle)
    last = known.get("DBMIRROR_CA_BUNDLE", "")
    return last if running and last and Path(last).is_file() else ""


def _problem(jumps: Sequence[Hop]) -> str:
    """Why the tunnel cannot go through these jump hosts; empty where it can."""
    if len(jumps) > MOST_JUMPS:
        return f"The ssh config reaches the driver through {len(jumps)} jump hosts; {MOST_JUMPS} are the most."
    try:
        read_jumps(jumps_as_setting(jumps))
    except SettingsInvalid:
        return "The ssh config names a jump host whose user or address has a form that the tunnel does not take."
    return ""


def jumps_as_setting(jumps: Sequence[Hop]) -> str:
    """The jump hosts in the form of the tunnel's setting: `USER@HOST:PORT USER@HOST:PORT`."""
    return " ".join(f"{hop.user}@{hop.address}" for hop in jumps)


def _jump_keys(lab: Lab, jumps: Sequence[Hop], drivers: Path | None) -> dict[str, str]:
    """The key files of the jump hosts as variables of the environment file: empty where it is the driver's own."""
    found = {f"DBMIRROR_JUMP_KEY_{number}": "" for number in range(1, MOST_JUMPS + 1)}
    for number, hop in enumerate(jumps, 1):
        key = next((file for file in (*hop.identity_files, *default_files(hop)) if file.is_file()), None)
        if key is None:
            lab.observer.warn(
                f"No SSH key file for the jump host {hop.address} was found: the tunnel tries the driver's. It uses "
                "no agent; name one with IdentityFile in the ssh config."
            )
        elif drivers is None or key.absolute() != drivers.absolute():
            found[f"DBMIRROR_JUMP_KEY_{number}"] = str(key.absolute())
    return found


def _hand_jump_pins_to_tunnel(lab: Lab, jumps: Sequence[Hop]) -> None:
    """Hand the tunnel the host keys that the user's known_hosts have for the jump hosts, or dbmirror's own."""
    own = KnownHosts(known_hosts_file())
    keys = [trusted_keys(hop.known_hosts, hop.name) or own.keys(hop.name) for hop in jumps]
    for hop, trusted in zip(jumps, keys, strict=True):
        if not trusted:
            lab.observer.warn(
                f"No host key of the jump host {hop.address} is known, so that the tunnel cannot connect. Connect to "
                f"it once by hand, with 'ssh -p {hop.port} {hop.user}@{hop.host}'; then 'dbmirror lab up "
                f"{lab.mirror}'."
            )
    hand_jump_pins_to_tunnel(lab_paths(lab.folder), keys)


def _ensure_pin(lab: Lab, supplies: Supplies) -> None:
    """Meet the driver where nothing is pinned for it, or where the workspace states a start since: each start makes a
    driver with another key. The question, if there is one, is the same as for a snapshot.
    """
    pinned = bool(KnownHosts(known_hosts_file()).keys(supplies.cluster))
    try:
        if not pinned or supplies.driver_started_anew():
            supplies.meet_driver()
    except DbmirrorError as error:
        why = error.of_mirror(lab.mirror)
        if pinned:
            lab.observer.warn(f"Whether the driver has the host key that is pinned is not known: {why}")
            return
        lab.observer.warn(f"No host key of the driver is pinned, so that the tunnel cannot connect: {why}")
