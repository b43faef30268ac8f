"""The tables of how something stands: this machine, a lab, the sandbox."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from rich.console import RenderableType
from rich.text import Text

from dbmirror.cli.layout import facts, table
from dbmirror.config import SANDBOX_REGISTRY

if TYPE_CHECKING:
    from dbmirror.doctor.machine import Check
    from dbmirror.lab.bridge.process import BridgeState
    from dbmirror.lab.status import LabStatus
    from dbmirror.sandbox.state import SandboxState

_GOOD: Final = {"connected", "healthy", "idle", "busy", "running", "published"}


def sandbox(state: SandboxState) -> RenderableType:
    """What of the sandbox runs."""
    missing = ", ".join(f"{pin} ({reason})" for pin, reason in state.missing) or "none"
    return facts(
        (
            ("profile", f"{state.profile} (in {state.profile_file})"),
            ("workspace", f"{state.workspace_url} ({'answers' if state.workspace_answers else 'does not answer'})"),
            ("cluster", f"{state.cluster_id}: {state.cluster_state or 'unknown'}"),
            ("driver", f"{state.driver_address or 'none'} ({state.driver_container or 'no container'})"),
            ("base", f"{state.base_image}, {state.base_origin}"),
            ("packages", f"{state.pins} pins; missing: {missing}"),
            ("registry", f"{state.registry} (--push {SANDBOX_REGISTRY})" if state.registry else "none"),
        )
    )


def lab(found: LabStatus) -> RenderableType:
    """How cluster, tunnel, JupyterLab and its kernels stand."""
    tunnel = found.tunnel or {}
    rows: list[tuple[str | Text, ...]] = [
        ("cluster", _state(str(tunnel.get("cluster_state") or "unknown").lower()), str(tunnel.get("cluster", ""))),
        ("tunnel", _state(str(tunnel.get("state") or "down")), str(tunnel.get("text", ""))),
    ]
    if found.bridge is not None:
        rows.append(_bridge(found.mirror, found.bridge))
    for service in found.services:
        if service.name == "tunnel":
            continue
        where = found.url or "" if service.name == "lab" else service.container
        rows.append((service.name, _state(service.health or service.state), where))
    rows += [
        (f"port {target}", _state("published"), f"http://127.0.0.1:{published} leads to the driver's port {target}")
        for service in found.services
        if service.name == "tunnel"
        for target, published in service.ports
    ]
    if not any(service.name == "lab" for service in found.services):
        rows.append(("lab", _state("down"), ""))
    for kernel in found.kernels or ():
        rows.append((f"kernel {kernel.name}", _state(kernel.state), f"last active {kernel.last_activity}"))
    return table("PART", "STATE", "", rows=rows)


def _bridge(mirror: str, bridge: BridgeState) -> tuple[str | Text, ...]:
    if not bridge.running:
        return "bridge", _state("gone"), f"The ProxyCommand of your ssh config cannot run: 'dbmirror lab up {mirror}'."
    said = f"The ProxyCommand says: {bridge.said}" if bridge.said else "It runs the ProxyCommand of your ssh config."
    return "bridge", _state("running"), said


def _state(state: str) -> Text:
    return Text(state, style="green" if state in _GOOD else "yellow")


def checks(found: Iterable[Check]) -> RenderableType:
    """What doctor looked at."""
    return table("", "WHAT", "FOUND", "MEND IT WITH", rows=map(_check_row, found), below=["MEND IT WITH"])


def _check_row(check: Check) -> tuple[str | Text, ...]:
    mark = Text("ok", style="green") if check.ok else Text(check.otherwise, style="red" if check.needed else "yellow")
    return mark, check.name, check.found, check.remedy
