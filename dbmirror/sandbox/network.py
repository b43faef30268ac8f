"""The sandbox's own Docker network, with a subnet that nothing on this machine uses."""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import docker
import docker.errors
from docker.types import IPAMConfig, IPAMPool

from dbmirror.sandbox.errors import SandboxNotBuilt, SandboxRefused

LABEL: Final = "dev.dbmirror.sandbox"
"""The label of everything that a sandbox makes in Docker; its value is the sandbox's instance."""
_LAB_FOLDER: Final = "com.docker.compose.project.working_dir"
"""The label by which compose says of a container which folder it is of: a mirror's, for a lab."""
_CANDIDATES: Final = ipaddress.IPv4Network("10.213.0.0/16")


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxNetwork:
    """The network that the drivers are on."""

    name: str
    subnet: ipaddress.IPv4Network
    gateway: str
    """The engine's own address on it."""


def ensure_network(connected: docker.DockerClient, instance: str) -> SandboxNetwork:
    """The network of the sandbox `instance`, made if it is missing.

    Raises SandboxNotBuilt where no subnet is free or the engine refuses.
    """
    name = f"dbmirror-sandbox-{instance}"
    found = [network for network in connected.networks.list(names=[name]) if network.name == name]
    if found:
        require_own("network", name, found[0].attrs.get("Labels"), instance)
        pool = found[0].attrs["IPAM"]["Config"][0]
        return SandboxNetwork(name=name, subnet=ipaddress.IPv4Network(pool["Subnet"]), gateway=pool["Gateway"])
    taken = _taken(connected)
    problem: docker.errors.APIError | None = None
    for subnet in _CANDIDATES.subnets(new_prefix=24):
        if any(subnet.overlaps(other) for other in taken):
            continue
        gateway = str(subnet.network_address + 1)
        pool = IPAMConfig(pool_configs=[IPAMPool(subnet=str(subnet), gateway=gateway)])
        try:
            connected.networks.create(name, driver="bridge", ipam=pool, labels={LABEL: instance})
        except docker.errors.APIError as error:
            problem = error
            if "overlap" not in str(error.explanation):
                break
            continue
        return SandboxNetwork(name=name, subnet=subnet, gateway=gateway)
    said = f" ({problem.explanation})" if problem else ""
    raise SandboxNotBuilt(
        f"The sandbox's network could not be made{said}.",
        remedy="'docker network ls' shows the networks of this machine; 'docker network prune' removes those of all "
        "your projects that no container uses.",
    )


def require_own(kind: str, name: str, labels: Mapping[str, str] | None, instance: str) -> None:
    """Raises SandboxNotBuilt where what has a name of the sandbox `instance` was not made by it."""
    if (labels or {}).get(LABEL) != instance:
        raise SandboxNotBuilt(
            f"The {kind} {name} has the name of this sandbox, and the sandbox did not make it.",
            remedy=f"Look at it with 'docker {kind} inspect {name}'; if nobody needs it, remove it by hand.",
        )


def build_gateway(connected: docker.DockerClient) -> str:
    """This machine's address on Docker's default bridge, where the steps of a build reach it."""
    try:
        pools = connected.networks.get("bridge").attrs["IPAM"]["Config"]
        return str(next(pool["Gateway"] for pool in pools if ":" not in pool.get("Gateway", ":")))
    except (docker.errors.NotFound, StopIteration) as error:
        raise SandboxNotBuilt(
            "This Docker Engine has no default bridge network, which the sandbox serves its files on.",
            remedy="Use an engine on this machine with its default network settings.",
        ) from error


def require_unused(connected: docker.DockerClient, instance: str) -> None:
    """Raises SandboxRefused where containers that the sandbox did not make, such as a lab's, are on its network."""
    labs: dict[str, str] = {}
    for network in connected.networks.list(filters={"label": f"{LABEL}={instance}"}):
        for container in connected.containers.list(all=True, filters={"network": str(network.name)}):
            if container.labels.get(LABEL) == instance:
                continue
            folder = Path(container.labels.get(_LAB_FOLDER) or "/")
            labs[str(container.name)] = (
                f"(cd {shlex.quote(str(folder.parent.parent))} && dbmirror lab down {shlex.quote(folder.name)})"
                if folder.name
                else f"docker network disconnect {network.name} {container.name}"
            )
    if labs:
        raise SandboxRefused(
            f"The sandbox's network is in use by {', '.join(sorted(labs))}, so nothing of the sandbox was removed.",
            remedy=f"First: {'; '.join(sorted(set(labs.values())))}",
        )


def remove_network(connected: docker.DockerClient, instance: str) -> None:
    """Remove the sandbox's network, if it is there."""
    for network in connected.networks.list(filters={"label": f"{LABEL}={instance}"}):
        with suppress(docker.errors.NotFound):
            network.remove()


def _taken(connected: docker.DockerClient) -> list[ipaddress.IPv4Network]:
    """The IPv4 networks that Docker or this machine's routes use already."""
    texts = [
        pool["Subnet"]
        for network in connected.networks.list()
        for pool in (network.attrs["IPAM"]["Config"] or ())
        if ":" not in pool.get("Subnet", ":")
    ]
    taken = [ipaddress.IPv4Network(text) for text in texts]
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/net/route").read_text().splitlines()[1:]:
            fields = line.split()
            address, mask = (ipaddress.IPv4Address(bytes.fromhex(fields[i])[::-1]) for i in (1, 7))
            if int(mask):
                taken.append(ipaddress.IPv4Network(f"{address}/{mask}"))
    return taken
