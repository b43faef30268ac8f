"""The whole lab over a ProxyCommand: a stand-in for the Databricks CLI, which a bridge on this machine runs."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbmirror.lab import stack as lab_stack
from dbmirror.lab import status as lab_status
from dbmirror.lab.bridge import process
from dbmirror.lab.bridge.files import BridgeFiles, bridge_files, read_record
from dbmirror.lab.paths import lab_paths
from dbmirror.pipeline.mirror import Mirror
from tests.databricks_cli import Databricks
from tests.stack.lab.stack import (
    container,
    docker,
    health,
    outputs_of,
    running_driver,
    settles,
    tunnel_state,
    user_runs,
    write_notebook,
)

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def cli(stack: Path, home: Path, mirror: Mirror, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databricks]:
    """The program by which the ssh config reaches the driver, for the whole module."""
    driver = running_driver().driver_address
    assert driver is not None
    folder = tmp_path_factory.mktemp("cli") / "cli"
    made = Databricks.make(folder, cluster=running_driver().cluster_id, driver=(driver, 2200))
    config = home / ".ssh" / "config"
    before = config.read_text()
    try:
        config.write_text(f"Host {driver.rpartition('.')[0]}.*\n  ProxyCommand {made.program} %h %p\n{before}")
        _start(stack, mirror)
        assert settles(lambda: health(stack, "tunnel") == "healthy", 60), lab_status.status(mirror.lab)
        yield made
    finally:
        config.write_text(before)
        _start(stack, mirror)
        assert not process.runs(bridge_files(lab_paths(stack)))
        assert settles(lambda: health(stack, "tunnel") == "healthy", 60)


@pytest.fixture
def bridge(stack: Path, cli: Databricks) -> BridgeFiles:
    return bridge_files(lab_paths(stack))


def _start(stack: Path, mirror: Mirror) -> None:
    lab_stack.prepare(mirror.lab, mirror.lab_supplies())
    subprocess.run(["docker", "compose", "up", "--detach", "tunnel"], cwd=stack, check=True, capture_output=True)


def says(mirror: Mirror, words: str) -> bool:
    tunnel = lab_status.status(mirror.lab).tunnel
    return tunnel is not None and words in str(tunnel["text"])


def test_a_cell_runs_on_the_driver_and_files_are_copied(stack: Path, mirror: Mirror, cli: Databricks) -> None:
    calls = len(cli.calls)
    write_notebook(stack, "proxied.ipynb", "import os\nos.uname().nodename", kernel="driver")
    driver = docker("exec", str(running_driver().driver_container), "uname", "-n").strip()
    assert outputs_of(stack, "proxied", "driver")[0][-1]["text/plain"] == repr(driver)
    user_runs(stack, "lab", "sync", "demo", "proxied.ipynb", "driver:/tmp/proxied.ipynb")
    docker("exec", str(running_driver().driver_container), "rm", "/tmp/proxied.ipynb")
    assert tunnel_state(mirror) == "connected"
    assert len(cli.calls) == calls, "all of it goes through the one connection"


def test_the_containers_have_neither_the_program_nor_more_than_its_socket(
    stack: Path, cli: Databricks, bridge: BridgeFiles
) -> None:
    mounts = docker("inspect", "--format", "{{json .Mounts}}", container(stack, "tunnel"))
    assert str(bridge.folder) in mounts
    assert str(cli.folder) not in mounts
    assert "bridge" not in docker("inspect", "--format", "{{json .Mounts}}", container(stack, "lab"))
    assert str(cli.program) not in docker("top", container(stack, "tunnel"), "-eo", "pid,args")


def test_a_program_that_ends_is_started_again_and_its_reason_is_the_tunnels_state(
    stack: Path, mirror: Mirror, cli: Databricks, bridge: BridgeFiles
) -> None:
    cli.feel("expired")
    record = read_record(bridge)
    assert record is not None
    program = subprocess.check_output(["ps", "-o", "pid=", "--ppid", str(record.pid)], text=True)
    os.kill(int(program), signal.SIGKILL)
    assert settles(lambda: says(mirror, "the refresh token is invalid."), 60)
    assert "the refresh token is invalid." in user_runs(stack, "lab", "logs", "demo", "bridge")
    cli.feel("slow 20")
    assert settles(lambda: says(mirror, "It says: Starting the SSH server..."), 60)
    assert settles(lambda: tunnel_state(mirror) == "connected", 60)
    cli.feel("works")


def test_a_bridge_that_is_gone_is_named_with_the_command_that_brings_it_back(
    stack: Path, mirror: Mirror, bridge: BridgeFiles
) -> None:
    record = read_record(bridge)
    assert record is not None
    os.kill(record.pid, signal.SIGKILL)
    assert settles(lambda: says(mirror, "Plain 'docker compose up' cannot start it: 'dbmirror lab up demo' does."), 60)
    said = " ".join(user_runs(stack, "lab", "status", "demo").split())
    assert "bridge" in said
    assert "'dbmirror lab up demo'" in said
    user_runs(stack, "lab", "up", "demo")
    assert settles(lambda: tunnel_state(mirror) == "connected", 60)
