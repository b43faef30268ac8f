"""The driver goes away and comes back, moves, is stopped: what the tunnel says, and that it needs nobody's help."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbmirror.engine import compose
from dbmirror.lab import stack as lab_stack
from dbmirror.lab import status as lab_status
from dbmirror.pipeline import stages
from dbmirror.pipeline.mirror import Mirror
from tests.stack.lab.stack import (
    docker,
    driver_container,
    health,
    in_lab,
    project_of,
    running_driver,
    settles,
    sshd_answers,
    tunnel_state,
    user_runs,
)

pytestmark = pytest.mark.stack

OUTAGE_SECONDS = 30
BACK_SECONDS = 10
"""How soon after sshd's return the tunnel is healthy."""
STOP_SSHD = "mv /usr/sbin/sshd /usr/sbin/sshd.away && kill -KILL $(pgrep -x sshd)"
"""The listener and every session; what starts sshd again does not find it."""
START_SSHD = "mv /usr/sbin/sshd.away /usr/sbin/sshd"


@pytest.fixture
def connected(stack: Path, mirror: Mirror) -> Iterator[None]:
    """Afterwards the cluster runs and the tunnel is connected, whatever the test did."""
    yield
    user_runs(stack, "ssh", "repin", "demo", "--start", "--accept-host-key")
    user_runs(stack, "lab", "up", "demo")
    assert settles(lambda: health(stack, "tunnel") == "healthy", 60), compose.last_logs(project_of(stack), "tunnel")


def test_an_sshd_that_is_killed_and_comes_back_after_30_seconds_is_healthy_within_ten(
    stack: Path, mirror: Mirror
) -> None:
    driver = driver_container()
    docker("exec", driver, "sh", "-c", STOP_SSHD)
    gone = time.monotonic()
    try:
        assert settles(lambda: tunnel_state(mirror) == "unreachable", 30)
        assert settles(lambda: health(stack, "tunnel") == "unhealthy", 60)
        assert health(stack, "lab") == "healthy"
        assert in_lab(stack, "/databricks/python3/bin/python", "-c", "print(6 * 7)").strip() == "42"
        time.sleep(max(0.0, OUTAGE_SECONDS - (time.monotonic() - gone)))
    finally:
        docker("exec", driver, "sh", "-c", START_SSHD)
    assert settles(lambda: sshd_answers(running_driver().driver_address), 30)
    back = time.monotonic()
    assert settles(lambda: health(stack, "tunnel") == "healthy", BACK_SECONDS)
    print(f"healthy {time.monotonic() - back:.1f} s after sshd's return")
    control = ["ssh", "-F", "none", "-S", "/run/dbmirror/tunnel/control", "driver", "echo back"]
    assert in_lab(stack, *control).endswith("back\n")


def test_a_driver_whose_machine_dies_and_comes_back_is_healthy_within_ten_seconds(stack: Path, mirror: Mirror) -> None:
    driver = driver_container()
    docker("kill", driver)
    assert settles(lambda: tunnel_state(mirror) == "unreachable", 60)
    docker("start", driver)
    assert settles(lambda: sshd_answers(running_driver().driver_address), 60)
    assert settles(lambda: health(stack, "tunnel") == "healthy", BACK_SECONDS)


@pytest.mark.usefixtures("connected")
def test_a_restarted_cluster_waits_for_its_new_host_key_to_be_pinned(stack: Path, mirror: Mirror) -> None:
    before = running_driver()
    mirror.access.workspace.clusters.restart(before.cluster_id)
    assert settles(lambda: tunnel_state(mirror) == "host-key-changed", 90), tunnel_state(mirror)
    assert health(stack, "lab") == "healthy"
    assert "host-key-changed" in user_runs(stack, "lab", "status", "demo")
    moved = running_driver()
    assert moved.driver_address != before.driver_address
    user_runs(stack, "ssh", "repin", "demo", "--accept-host-key")
    assert settles(lambda: health(stack, "tunnel") == "healthy", 60)
    tunnel = lab_status.status(mirror.lab).tunnel
    assert tunnel is not None
    assert tunnel["address"] == f"{moved.driver_address}:2200"


@pytest.mark.usefixtures("connected")
def test_a_terminated_cluster_is_said_to_be_down_and_the_lab_goes_up_without_it(stack: Path, mirror: Mirror) -> None:
    mirror.access.workspace.clusters.delete(running_driver().cluster_id)
    assert settles(lambda: tunnel_state(mirror) == "cluster-down", 40), tunnel_state(mirror)
    status = lab_status.status(mirror.lab)
    assert status.running
    assert status.kernels is not None
    lab_stack.down(mirror.lab)
    status = stages.start_lab(mirror, mirror.lock())
    assert status.running
    assert status.tunnel is not None
    assert status.tunnel["state"] == "cluster-down"
