"""How a lab stands: its services, its tunnel, its kernels, and the address of JupyterLab."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import requests

from dbmirror.engine import compose
from dbmirror.engine.compose import Service
from dbmirror.engine.errors import EngineError
from dbmirror.errors import UsageError
from dbmirror.lab.bridge import process as bridge_process
from dbmirror.lab.bridge.files import bridge_files
from dbmirror.lab.bridge.process import BridgeState
from dbmirror.lab.container_answers import read_kernels, read_tunnel_state
from dbmirror.lab.model import Lab
from dbmirror.lab.paths import lab_paths
from dbmirror.lab.ports import LAB_PORT
from dbmirror.lab.variables import read_environment
from dbmirror.processes.programs import ProcessFailed

ON_DRIVER: Final = "driver"
"""The name of the kernel that runs on the driver."""


class LabNotStarted(UsageError):
    """This user never started a lab from this folder."""


class LabDown(UsageError):
    """The lab does not run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A kernel that runs in the lab."""

    name: str
    """Of its kernel spec: `mirror-python`, `mirror-r`, `driver`."""
    state: str
    """`idle`, `busy`, `starting`, …; `unreachable` or `ended` on a driver that is not connected or no longer there."""
    last_activity: str
    """`2026-11-28T00:51:24Z`."""
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
    bridge: BridgeState | None
    """The process of this machine that runs the ProxyCommand to the driver; None where the lab needs none."""
    kernels: tuple[Kernel, ...] | None
    """None while JupyterLab does not answer."""

    @property
    def running(self) -> bool:
        """Whether JupyterLab is healthy."""
        return any(service.name == "lab" and service.health == "healthy" for service in self.services)


def status(lab: Lab) -> LabStatus:
    """How the lab stands at this moment."""
    folder = lab.folder
    require_started(lab)
    services = compose.services(lab_paths(folder).project)
    up_now = {service.name for service in services if service.state == "running"}
    address = _address(folder, services)
    tunnel = tunnel_state(folder) if "tunnel" in up_now else None
    return LabStatus(
        mirror=lab.mirror,
        folder=folder,
        url=f"{address}/lab" if "lab" in up_now else None,
        services=services,
        tunnel=tunnel,
        bridge=bridge_process.state(bridge_files(lab_paths(folder))),
        kernels=_kernels(folder, address, tunnel) if "lab" in up_now else None,
    )


def require_running(lab: Lab, service: str = "lab") -> None:
    """Raises LabDown where the service's container does not run, LabNotStarted where the lab was never started."""
    require_started(lab)
    if not any(
        each.name == service and each.state == "running" for each in compose.services(lab_paths(lab.folder).project)
    ):
        raise LabDown(f"The lab of {lab.mirror} is down.", remedy=f"Start it: 'dbmirror lab up {lab.mirror}'.")


def url(lab: Lab) -> str:
    """JupyterLab's address with its token: a secret. Raises UsageError where the lab was never prepared."""
    try:
        token = lab_paths(lab.folder).token.read_text().strip()
    except OSError:
        raise UsageError(
            "This lab has no token yet.",
            remedy=f"Start it with 'dbmirror lab up {lab.mirror}'; one that 'docker compose up' started says its "
            "address in its log.",
        ) from None
    with suppress(EngineError):
        return f"{_address(lab.folder, compose.services(lab_paths(lab.folder).project))}/lab?token={token}"
    return f"{_address(lab.folder)}/lab?token={token}"


def tunnel_state(folder: Path) -> dict[str, Any] | None:
    """The tunnel's state file (`state`, `text`, `address`, …); None while it does not run."""
    try:
        said = compose.execute(lab_paths(folder).project, "tunnel", ["cat", "/run/dbmirror/tunnel/state.json"])
    except ProcessFailed:
        return None
    return read_tunnel_state(said.stdout)


def _kernels(folder: Path, address: str, tunnel: Mapping[str, Any] | None) -> tuple[Kernel, ...] | None:
    try:
        token = lab_paths(folder).token.read_text().strip()
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(f"{address}/api/kernels", headers={"Authorization": f"token {token}"}, timeout=5)
            answer.raise_for_status()
            documents = read_kernels(answer.content)
    except (OSError, requests.RequestException):
        return None
    return (
        None
        if documents is None
        else tuple(
            Kernel(
                name=each.name,
                state=kernel_state(each.name, each.execution_state, tunnel),
                last_activity=re.sub(r"\.\d+", "", each.last_activity),
                connections=each.connections,
            )
            for each in documents
        )
    )


def kernel_state(kernel: str, said: str, tunnel: Mapping[str, Any] | None) -> str:
    """What JupyterLab `said` of a kernel, unless it runs on a driver that is out of reach: that it cannot know."""
    state = str((tunnel or {}).get("state") or "")
    if kernel != ON_DRIVER or state == "connected":
        return said
    return "ended" if state in {"cluster-down", "cluster-starting"} else "unreachable"


def _address(folder: Path, services: Iterable[Service] = ()) -> str:
    """JupyterLab's address: by the port that the engine published, else the one that a start would take."""
    for service in services:
        for target, published in service.ports:
            if service.name == "lab" and target == LAB_PORT:
                return f"http://127.0.0.1:{published}"
    return f"http://127.0.0.1:{read_environment(lab_paths(folder)).get('DBMIRROR_LAB_PORT') or LAB_PORT}"


def require_started(lab: Lab) -> None:
    """Raises LabNotStarted where this user never started the lab."""
    if not lab_paths(lab.folder).project.is_known:
        raise LabNotStarted(
            f"You have not started a lab from {lab.folder} yet.", remedy=f"Start it: 'dbmirror lab up {lab.mirror}'."
        )
