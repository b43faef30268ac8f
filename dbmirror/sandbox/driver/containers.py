"""The driver's containers: one for each running cluster, at a new address and with new host keys at every boot."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import docker
import docker.errors
import requests
from docker.models.containers import Container
from docker.types import EndpointConfig

from dbmirror.engine.docker import unavailable
from dbmirror.hosts.driver import DRIVER_PORT
from dbmirror.sandbox.errors import SandboxNotBuilt
from dbmirror.sandbox.network import LABEL, require_own

_BOOT_SECONDS: Final = 60.0
_FIRST_HOST: Final = 10
_LAST_HOST: Final = 250


def container_name(instance: str, cluster_id: str) -> str:
    """The name of the container of a cluster of the sandbox `instance`."""
    return f"dbmirror-sandbox-{instance}-{cluster_id}"


class DriverContainers:
    """The machines of the workspace's clusters, as containers on the sandbox's network."""

    def __init__(
        self, connected: docker.DockerClient, *, instance: str, network: str, subnet: ipaddress.IPv4Network
    ) -> None:
        self.image: str | None = None
        """The image that clusters boot from; None until it is built."""
        self._docker = connected
        self._instance = instance
        self._network = network
        self._subnet = subnet
        self._next = _FIRST_HOST
        self._lock = threading.Lock()

    def container_name(self, cluster_id: str) -> str:
        """The name of the cluster's container."""
        return container_name(self._instance, cluster_id)

    def boot(self, cluster_id: str, *, public_keys: Sequence[str]) -> str:
        """Start a fresh container for the cluster, in place of any that it had, and return its address.

        `public_keys` are the OpenSSH public keys that may log in. Returns when SSH answers.
        Raises SandboxNotBuilt where there is no image yet, Docker refuses, or SSH does not answer within 60 s.
        """
        if self.image is None:
            raise SandboxNotBuilt("The driver's image is not built yet.", remedy="Run 'dbmirror sandbox up'.")
        self.stop(cluster_id)
        address = self._next_address()
        name = self.container_name(cluster_id)
        try:
            container = self._docker.containers.create(
                self.image,
                name=name,
                hostname=cluster_id,
                init=True,
                environment={"SSH_PUBLIC_KEYS": "\n".join(public_keys)},
                labels={LABEL: self._instance},
                network=self._network,
                networking_config={self._network: EndpointConfig(self._docker.api.api_version, ipv4_address=address)},
            )
            container.start()
        except requests.ConnectionError as error:
            raise unavailable(error) from error
        except docker.errors.APIError as error:
            self.stop(cluster_id)
            raise SandboxNotBuilt(
                f"The driver's container {name} could not be started: {error.explanation}."
            ) from error
        try:
            _await_ssh(container, address)
        except BaseException:
            self.stop(cluster_id)
            raise
        return address

    def stop(self, cluster_id: str) -> None:
        """Remove the cluster's container, if it has one. Raises EngineError where Docker does not.

        SandboxNotBuilt where the container of that name is not the sandbox's.
        """
        name = self.container_name(cluster_id)
        try:
            container = self._docker.containers.get(name)
            require_own("container", name, container.labels, self._instance)
            container.remove(force=True)
        except docker.errors.NotFound:
            pass
        except (docker.errors.DockerException, requests.RequestException) as error:
            raise unavailable(error) from error

    def on_driver(self, cluster_id: str, argv: Sequence[str]) -> tuple[str, ...]:
        """The command of this machine that runs `argv` as root in the cluster's container, with its stdin."""
        name = self.container_name(cluster_id)
        return ("docker", "exec", "--interactive", "--user=0", "--workdir=/databricks/driver", name, *argv)

    def _next_address(self) -> str:
        """The next address of the subnet, so that a cluster that restarts is found elsewhere, as in a cloud."""
        with self._lock:
            number = self._next
            self._next = number + 1 if number < _LAST_HOST else _FIRST_HOST
        return str(self._subnet.network_address + number)


def remove_containers(connected: docker.DockerClient, instance: str) -> None:
    """Remove every container of the sandbox `instance`."""
    for container in connected.containers.list(all=True, filters={"label": f"{LABEL}={instance}"}):
        with suppress(docker.errors.NotFound):
            container.remove(force=True)


def _await_ssh(container: Container, address: str) -> None:
    deadline = time.monotonic() + _BOOT_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection((address, DRIVER_PORT), timeout=2) as connection:
            connection.settimeout(5)
            if connection.recv(4).startswith(b"SSH-"):
                return
        container.reload()
        if container.status == "exited":
            said = container.logs(tail=5).decode(errors="replace").strip() or "it said nothing"
            raise SandboxNotBuilt(f"The driver's container stopped at once: {said}")
        time.sleep(0.05)
    raise SandboxNotBuilt(
        f"The driver's container runs, but SSH does not answer at {address} port {DRIVER_PORT} from this machine.",
        remedy="The sandbox needs a Docker Engine on this machine, whose container addresses it can reach.",
    )
