"""The tunnel through a jump host of the ssh config: a container of its own on the driver's network."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker as docker_sdk
import pytest
from docker.types import EndpointConfig
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from dbmirror.lab import stack as lab_stack
from dbmirror.lab import status as lab_status
from dbmirror.lab.paths import lab_paths
from dbmirror.lab.variables import read_environment
from dbmirror.pipeline.mirror import Mirror
from tests.stack.lab.stack import (
    container,
    docker,
    driver_container,
    health,
    in_lab,
    is_in_layers,
    running_driver,
    settles,
    shown,
    tunnel_state,
    user_runs,
)

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def bastion(stack: Path, home: Path, mirror: Mirror, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The jump host's container, with a key of its own; the ssh config leads to the driver through it."""
    state, folder = running_driver(), tmp_path_factory.mktemp("bastion")
    key, known = folder / "key", folder / "known_hosts"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    networks = json.loads(
        docker("inspect", "--format", "{{json .NetworkSettings.Networks}}", str(state.driver_container))
    )
    network, *_ = networks
    address = _address(networks[network])
    place = {network: EndpointConfig(docker_sdk.constants.DEFAULT_DOCKER_API_VERSION, ipv4_address=address)}
    jump_host = (
        DockerContainer(str(state.driver_image), env={"SSH_PUBLIC_KEYS": key.with_suffix(".pub").read_text().strip()})
        .with_kwargs(init=True, network=network, networking_config=place)
        .waiting_for(LogMessageWaitStrategy("Server listening on"))
    )
    config = home / ".ssh" / "config"
    before = config.read_text()
    try:
        with jump_host:
            known.write_bytes(_host_key(address))
            config.write_text(
                f"Host {address.rpartition('.')[0]}.*\n  ProxyJump bastion\n"
                f"Host bastion\n  HostName {address}\n  Port 2200\n"
                f"  User ubuntu\n  IdentityFile {key}\n  UserKnownHostsFile {known}\n{before}"
            )
            _start(stack, mirror)
            yield jump_host.get_container_id()
    finally:
        config.write_text(before)
        _start(stack, mirror)
        assert settles(lambda: health(stack, "tunnel") == "healthy", 60)


def _address(network: dict[str, str]) -> str:
    """An address of the network that the sandbox's drivers do not get to."""
    return f"{network['IPAddress'].rpartition('.')[0]}.251"


def _host_key(address: str) -> bytes:
    argv = ["ssh-keyscan", "-p", "2200", "-t", "ed25519", address]
    return subprocess.run(argv, capture_output=True, check=True).stdout


def _start(stack: Path, mirror: Mirror) -> None:
    lab_stack.prepare(mirror.lab, mirror.lab_supplies())
    subprocess.run(["docker", "compose", "up", "--detach", "tunnel"], cwd=stack, check=True, capture_output=True)


def _comes_from(stack: Path) -> str:
    """The address that the driver sees the tunnel's connection come from."""
    command = ["ssh", "-F", "none", "-S", "/run/dbmirror/tunnel/control", "-o", "ProxyCommand=false", "driver"]
    return in_lab(stack, *command, "sh", "-c", "'echo $SSH_CONNECTION'").splitlines()[-1].split()[0]


def test_the_tunnel_goes_through_the_jump_host_with_that_ones_own_key(
    stack: Path, bastion: str, mirror: Mirror
) -> None:
    assert settles(lambda: health(stack, "tunnel") == "healthy", 60)
    assert tunnel_state(mirror) == "connected"
    assert _comes_from(stack).endswith(".251")
    assert (
        "Accepted publickey for ubuntu"
        in subprocess.run(["docker", "logs", bastion], capture_output=True, text=True, check=True).stderr
    )


def test_the_jump_hosts_key_is_in_no_inspect_history_logs_processes_files_or_layers(stack: Path, bastion: str) -> None:
    assert settles(lambda: health(stack, "tunnel") == "healthy", 60)
    secret = Path(read_environment(lab_paths(stack))["DBMIRROR_JUMP_KEY_1"]).read_text().splitlines()[2]
    processes = docker("top", container(stack, "tunnel"), "-eo", "pid,args")
    assert "bastion" in processes or "jump" in processes, processes
    assert not any(secret in text for text in shown(stack, driver_container(), bastion))
    assert not is_in_layers(stack, [secret])


def test_a_jump_host_that_goes_away_is_named(stack: Path, bastion: str, mirror: Mirror) -> None:
    assert settles(lambda: health(stack, "tunnel") == "healthy", 60)
    docker("stop", "--time", "1", bastion)
    assert settles(lambda: tunnel_state(mirror) == "unreachable", 60)

    def named() -> bool:
        tunnel = lab_status.status(mirror.lab).tunnel
        return tunnel is not None and "The jump host ubuntu@" in str(tunnel["text"])

    assert settles(named, 60)
    docker("start", bastion)
    assert settles(lambda: tunnel_state(mirror) == "connected", 60)


@pytest.mark.usefixtures("bastion")
def test_a_lab_that_is_started_while_the_cluster_is_down_goes_through_the_jump_host_when_it_is_back(
    stack: Path, mirror: Mirror
) -> None:
    assert settles(lambda: health(stack, "tunnel") == "healthy", 60)
    stopped = running_driver()
    mirror.access.workspace.clusters.delete(stopped.cluster_id)
    assert settles(lambda: tunnel_state(mirror) == "cluster-down", 60)
    user_runs(stack, "lab", "up", "demo")
    user_runs(stack, "ssh", "repin", "demo", "--start", "--accept-host-key")
    assert settles(lambda: health(stack, "tunnel") == "healthy", 60), lab_status.status(mirror.lab).tunnel
    assert running_driver().driver_address != stopped.driver_address
    assert _comes_from(stack).endswith(".251")
