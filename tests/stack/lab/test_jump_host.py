"""The tunnel through a jump host of the ssh config: a container of its own on the driver's network."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbmirror import lab_stack
from dbmirror.lab_files import places, read_environment
from dbmirror.pipeline import Pipeline
from tests.stack.lab.stack import container, docker, health, in_lab, running_driver, settles, tunnel_state

pytestmark = pytest.mark.stack


@pytest.fixture
def bastion(stack: Path, home: Path, pipeline: Pipeline, tmp_path: Path) -> Iterator[str]:
    """The jump host's container, with a key of its own; the ssh config leads to the driver through it."""
    state = running_driver()
    key, known = tmp_path / "key", tmp_path / "known_hosts"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    networks = json.loads(
        docker("inspect", "--format", "{{json .NetworkSettings.Networks}}", str(state.driver_container))
    )
    name = f"scratch-bastion-{os.getpid()}"
    public = key.with_suffix(".pub").read_text().strip()
    network, *_ = networks
    docker(
        *("run", "--detach", "--init", "--name", name, "--network", network, "--ip", _address(networks[network])),
        *("--env", f"SSH_PUBLIC_KEYS={public}", state.driver_image),
    )
    config = home / ".ssh" / "config"
    before = config.read_text()
    try:
        address = _address(networks[network])
        assert settles(lambda: _host_key(address, known), 30)
        config.write_text(
            f"Host {state.driver_address}\n  ProxyJump bastion\nHost bastion\n  HostName {address}\n  Port 2200\n"
            f"  User ubuntu\n  IdentityFile {key}\n  UserKnownHostsFile {known}\n{before}"
        )
        _start(stack, pipeline)
        yield name
    finally:
        docker("rm", "--force", name)
        config.write_text(before)
        _start(stack, pipeline)
        assert settles(lambda: health(stack, "tunnel") == "healthy", 60)


def _address(network: dict[str, str]) -> str:
    """An address of the network that the sandbox's drivers do not get to."""
    return f"{network['IPAddress'].rpartition('.')[0]}.251"


def _host_key(address: str, known: Path) -> bool:
    said = subprocess.run(["ssh-keyscan", "-p", "2200", "-t", "ed25519", address], capture_output=True, check=False)
    known.write_bytes(said.stdout)
    return bool(said.stdout)


def _start(stack: Path, pipeline: Pipeline) -> None:
    lab_stack.prepare(pipeline)
    subprocess.run(["docker", "compose", "up", "--detach", "tunnel"], cwd=stack, check=True, capture_output=True)


def test_the_tunnel_goes_through_the_jump_host_with_that_ones_own_key(
    stack: Path, bastion: str, pipeline: Pipeline
) -> None:
    assert settles(lambda: health(stack, "tunnel") == "healthy", 60)
    assert tunnel_state(pipeline) == "connected"
    command = ["ssh", "-F", "none", "-S", "/run/dbmirror/tunnel/control", "-o", "ProxyCommand=false", "driver"]
    came_from = in_lab(stack, *command, "sh", "-c", "'echo $SSH_CONNECTION'").splitlines()[-1].split()[0]
    assert came_from.endswith(".251")
    assert (
        "Accepted publickey for ubuntu"
        in subprocess.run(["docker", "logs", bastion], capture_output=True, text=True, check=True).stderr
    )
    key = Path(read_environment(places(stack))["DBMIRROR_JUMP_KEY_1"])
    assert key.read_text().splitlines()[2] not in docker("inspect", container(stack, "tunnel"))


def test_a_jump_host_that_goes_away_is_named(stack: Path, bastion: str, pipeline: Pipeline) -> None:
    assert settles(lambda: health(stack, "tunnel") == "healthy", 60)
    docker("stop", "--time", "1", bastion)
    assert settles(lambda: tunnel_state(pipeline) == "unreachable", 60)

    def named() -> bool:
        tunnel = lab_stack.status(pipeline).tunnel
        return tunnel is not None and "The jump host ubuntu@" in str(tunnel["text"])

    assert settles(named, 60)
    docker("start", bastion)
    assert settles(lambda: tunnel_state(pipeline) == "connected", 60)
