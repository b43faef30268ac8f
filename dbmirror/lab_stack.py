"""A mirror's lab: its files, its start, its state, its end. What a lab command does, without the printing."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import requests

from dbmirror.build import build_secrets
from dbmirror.engine import compose
from dbmirror.engine.buildx import build
from dbmirror.engine.compose import Service, StackFailed
from dbmirror.engine.images import inspect_image
from dbmirror.engine.process import ProcessFailed
from dbmirror.errors import DbmirrorError, UsageError
from dbmirror.files import write_atomically
from dbmirror.hosts.known_hosts import KnownHosts
from dbmirror.hosts.ssh_config import Hop, SshTarget, find_route
from dbmirror.lab_files import (
    choose_ports,
    ensure_token,
    lab_user,
    places,
    publish_pin,
    read_environment,
    write_environment,
    write_workspace_token,
)
from dbmirror.lock.mirror import MirrorLock
from dbmirror.pipeline import Pipeline
from dbmirror.places import known_hosts_file
from dbmirror.render.lab import COMPOSE_FILE, LabFiles, LabSettings, render_lab
from dbmirror.workspace import clusters

STAGE: Final = "lab"
LAB_SECONDS: Final = 180.0
"""How long JupyterLab may take until it answers."""
TUNNEL_SECONDS: Final = 30.0
"""How long `up` waits for the tunnel to say where it stands: the lab is of use without it."""
_SETTLED: Final = frozenset({"connected", "auth-failed", "host-key-changed", "cluster-down"})


class LabNotRendered(UsageError):
    """The mirror's folder has no compose.yaml."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A kernel that runs in the lab."""

    name: str
    """Of its kernel spec: `mirror-python`, `driver-python`, …"""
    state: str
    """`idle`, `busy`, `starting`, …"""
    last_activity: str
    connections: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LabStatus:
    """How a lab stands."""

    mirror: str
    folder: Path
    url: str | None
    """JupyterLab's address without its token; None while it does not run."""
    services: tuple[Service, ...]
    tunnel: Mapping[str, Any] | None
    """The tunnel's state file (`state`, `text`, `address`, `cluster_state`, …); None while it does not run."""
    kernels: tuple[Kernel, ...] | None
    """None while JupyterLab does not answer."""

    @property
    def running(self) -> bool:
        """Whether JupyterLab is healthy."""
        return any(service.name == "lab" and service.health == "healthy" for service in self.services)


def render_files(pipeline: Pipeline, lock: MirrorLock) -> LabFiles:
    """The lab's committed files, written to the mirror's folder: compose.yaml, lab/, tunnel/, notebooks/.

    The notebooks are the user's: where that folder is there already, nothing is written to it.
    """
    section = pipeline.section
    files = render_lab(
        lock.python,
        image=pipeline.tag(lock),
        settings=LabSettings(
            mirror=pipeline.name,
            cluster=pipeline.snapshot().cluster.cluster_id,
            host=section.ssh.host,
            port=section.ssh.port or 2200,
            user=section.ssh.user or "ubuntu",
            forwards=section.lab.forwards,
            networks=section.lab.networks,
            spark_remote=section.lab.spark_remote,
        ),
    )
    folder = pipeline.folder
    files.lab.write(folder / "lab")
    files.tunnel.write(folder / "tunnel")
    write_atomically(folder / COMPOSE_FILE, files.compose)
    if not (folder / ".gitignore").exists():
        write_atomically(folder / ".gitignore", b"# Where the lab's secrets lie on this machine.\n.env\n")
    if not (folder / "notebooks").exists():
        files.examples.write(folder / "notebooks")
    return files


def prepare(pipeline: Pipeline) -> bool:
    """Key, pinned host key, token and ports of this machine, named in `.env`; whether the tunnel's token is new.

    What cannot be had is warned of: JupyterLab is of use without the driver. First contact asks for the host key.
    """
    where = places(pipeline.folder)
    user = lab_user(where)
    ensure_token(where, user=user)
    cluster_id = pipeline.snapshot().cluster.cluster_id
    address, workspace, token = _workspace(pipeline, cluster_id)
    renewed = write_workspace_token(where, token)
    hop = _way_to_driver(pipeline, cluster_id, address)
    key = next((file for file in hop.identity_files if file.is_file()), None)
    if key is None:
        pipeline.observer.warn(
            f"No SSH key file for the driver was found: the tunnel cannot log in. 'dbmirror ssh setup {pipeline.name}' "
            "makes one."
        )
    _ensure_pin(pipeline, cluster_id)
    publish_pin(pipeline.folder, cluster_id)
    running = any(service.state == "running" for service in compose.services(pipeline.folder))
    known = read_environment(where)
    variables = {
        "DBMIRROR_SSH_KEY": str(key.absolute()) if key else "",
        "DBMIRROR_PINS": str(where.pins),
        "DBMIRROR_DRIVER_HOST": hop.host if address or pipeline.section.ssh.host else "",
        "DBMIRROR_DRIVER_FIXED_HOST": hop.host if pipeline.section.ssh.host else "",
        "DBMIRROR_DRIVER_PORT": str(hop.port),
        "DBMIRROR_DRIVER_USER": hop.user,
        "DBMIRROR_WORKSPACE": workspace or "",
        "DBMIRROR_WORKSPACE_TOKEN": str(where.workspace_token),
        "DBMIRROR_LAB_TOKEN": str(where.token),
        "DBMIRROR_LAB_UID": str(user),
        "DBMIRROR_CA_BUNDLE": str(pipeline.ca_bundle) if pipeline.ca_bundle else "",
        **choose_ports(known, pipeline.section.lab.forwards, running=running),
    }
    if running and known.get("DBMIRROR_WORKSPACE"):
        # The address is asked for anew after a restart; writing it down would replace a container that works.
        variables["DBMIRROR_DRIVER_HOST"] = known.get("DBMIRROR_DRIVER_HOST", "")
    write_environment(where, variables)
    return renewed and running


def build_images(pipeline: Pipeline, files: LabFiles) -> None:
    """The tunnel's and the lab's image, as compose.yaml names them. Raises BuildFailed or EngineError."""
    pipeline.built()
    user = read_environment(places(pipeline.folder))["DBMIRROR_LAB_UID"]
    with build_secrets(pipeline.indexes, pipeline.ca_bundle) as secrets:
        for folder, image in (("tunnel", files.tunnel_image), ("lab", files.lab_image)):
            tag = f"{image}-u{user}"
            if inspect_image(tag) is None:
                build(
                    pipeline.folder / folder,
                    tags=[tag],
                    labels={},
                    secrets=secrets,
                    build_arguments={"LAB_UID": user},
                    observer=pipeline.observer,
                )


def up(pipeline: Pipeline, lock: MirrorLock) -> LabStatus:
    """Render, prepare, build and start the lab of the image that was built last; returns when JupyterLab answers.

    Raises StackFailed where it does not answer within LAB_SECONDS. A tunnel that is not connected is no error.
    """
    compose.require_compose()
    observer, folder = pipeline.observer, pipeline.folder
    files = render_files(pipeline, lock)
    renewed = prepare(pipeline)
    build_images(pipeline, files)
    observer.started(STAGE)
    before = _tunnel(folder)
    # The user's own `--scale engine=4` stays in force: compose would go back to the number in the file, which is none.
    engines = sum(service.name == "engine" for service in compose.services(folder))
    compose.up(folder, scale={"engine": engines}, on_line=lambda line: observer.advanced(STAGE, line, steps=0))
    if renewed or (before is not None and before.get("state") == "auth-failed"):
        # The tunnel took its secrets over when it started.
        compose.restart(folder, "tunnel")
    _await_lab(folder)
    _await_tunnel(folder)
    found = status(pipeline)
    observer.finished(STAGE, found.url or "")
    return found


def down(pipeline: Pipeline) -> None:
    """Stop the lab and remove its containers, network and volume. Notebooks, images and settings stay."""
    _require_rendered(pipeline.folder)
    pipeline.observer.started(STAGE)
    compose.down(pipeline.folder, on_line=lambda line: pipeline.observer.advanced(STAGE, line, steps=0))
    pipeline.observer.finished(STAGE, "stopped; the notebooks stay")


def status(pipeline: Pipeline) -> LabStatus:
    """How the lab stands at this moment."""
    folder = pipeline.folder
    _require_rendered(folder)
    services = compose.services(folder)
    up_now = {service.name for service in services if service.state == "running"}
    address = _address(folder)
    return LabStatus(
        mirror=pipeline.name,
        folder=folder,
        url=f"{address}/lab" if "lab" in up_now else None,
        services=services,
        tunnel=_tunnel(folder) if "tunnel" in up_now else None,
        kernels=_kernels(folder, address) if "lab" in up_now else None,
    )


def url(folder: Path) -> str:
    """JupyterLab's address with its token: a secret. Raises UsageError where the lab was never prepared."""
    try:
        token = places(folder).token.read_text().strip()
    except OSError:
        raise UsageError(
            "This lab has no token yet.",
            remedy="Start it with 'dbmirror lab up'; one that 'docker compose up' started says its address in its log.",
        ) from None
    return f"{_address(folder)}/lab?token={token}"


def _workspace(pipeline: Pipeline, cluster_id: str) -> tuple[str | None, str | None, str | None]:
    """The driver's address, the workspace's URL as the tunnel reaches it, and a token for it; each None if not had."""
    try:
        w = pipeline.access.workspace
        address = clusters.read(w, cluster_id).driver_address
        header = w.config.authenticate().get("Authorization", "")
    except (DbmirrorError, ValueError) as error:
        pipeline.observer.warn(f"The tunnel will not know of the cluster's restarts: {error}")
        return None, None, None
    kind, _, token = header.partition(" ")
    parts = urlsplit(w.config.host or "")
    if kind != "Bearer" or not parts.hostname:
        return address, None, None
    if parts.hostname in {"127.0.0.1", "localhost"}:
        # Seen from a container this machine has another name.
        return address, f"{parts.scheme}://host.docker.internal:{parts.port or 80}", token
    return address, f"{parts.scheme}://{parts.netloc}", token


def _way_to_driver(pipeline: Pipeline, cluster_id: str, address: str | None) -> Hop:
    """The connection to the driver as the user's ssh config has it; what the tunnel cannot do of it is warned of."""
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
    if jumps or hop.proxy_command:
        pipeline.observer.warn(
            "The ssh config reaches the driver through a jump host or a ProxyCommand, which the lab's tunnel does not: "
            "it tries the driver's own address."
        )
    return hop


def _ensure_pin(pipeline: Pipeline, cluster_id: str) -> None:
    """Meet the driver for the first time if nothing is pinned for it; the question is the same as for a snapshot."""
    if KnownHosts(known_hosts_file()).keys(cluster_id):
        return
    try:
        _ = pipeline.access.driver
    except DbmirrorError as error:
        pipeline.observer.warn(f"No host key of the driver is pinned, so that the tunnel cannot connect: {error}")


def _await_lab(folder: Path) -> None:
    deadline = time.monotonic() + LAB_SECONDS
    while time.monotonic() < deadline:
        lab = next((service for service in compose.services(folder) if service.name == "lab"), None)
        if lab is not None and lab.health == "healthy":
            return
        if lab is None or lab.state in {"exited", "dead", "restarting"}:
            break
        time.sleep(0.5)
    said = compose.last_logs(folder, "lab").strip().splitlines()[-1:] or ["it said nothing"]
    raise StackFailed(f"JupyterLab did not start: {said[0]}", remedy="'dbmirror lab logs MIRROR' shows all it said.")


def _await_tunnel(folder: Path) -> None:
    deadline = time.monotonic() + TUNNEL_SECONDS
    while time.monotonic() < deadline:
        found = _tunnel(folder)
        if found is not None and found.get("state") in _SETTLED:
            return
        time.sleep(0.5)


def _tunnel(folder: Path) -> dict[str, Any] | None:
    try:
        said = compose.execute(folder, "tunnel", ["cat", "/run/dbmirror/tunnel/state.json"])
        document = json.loads(said.stdout)
    except (ProcessFailed, ValueError):
        return None
    return document if isinstance(document, dict) else None


def _kernels(folder: Path, address: str) -> tuple[Kernel, ...] | None:
    try:
        token = places(folder).token.read_text().strip()
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(f"{address}/api/kernels", headers={"Authorization": f"token {token}"}, timeout=5)
            answer.raise_for_status()
            documents = answer.json()
    except (OSError, requests.RequestException, ValueError):
        return None
    return tuple(
        Kernel(
            name=str(each.get("name", "")),
            state=str(each.get("execution_state", "")),
            last_activity=str(each.get("last_activity", "")),
            connections=int(each.get("connections") or 0),
        )
        for each in documents
    )


def _address(folder: Path) -> str:
    return f"http://127.0.0.1:{read_environment(places(folder)).get('DBMIRROR_LAB_PORT') or '8888'}"


def _require_rendered(folder: Path) -> None:
    if not (folder / COMPOSE_FILE).is_file():
        raise LabNotRendered(f"{folder} has no {COMPOSE_FILE} yet.", remedy="'dbmirror lab up MIRROR' makes it.")
