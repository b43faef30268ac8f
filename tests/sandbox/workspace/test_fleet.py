from collections.abc import Callable
from typing import Any

import pytest

from dbmirror.sandbox.workspace.fleet import ApiError, Fleet

FIRST = "1-2-first"
Until = Callable[[Callable[[], bool]], None]


def state(fleet: Fleet) -> str:
    return str(fleet.get(FIRST)["state"])


def test_a_terminated_cluster_starts_in_steps_and_then_has_an_address(fleet: Fleet, steps: Any, until: Until) -> None:
    steps.held.clear()
    fleet.start(FIRST)
    assert state(fleet) == "PENDING"
    assert "driver" not in fleet.get(FIRST)
    steps.held.set()
    until(lambda: state(fleet) == "RUNNING")
    driver = fleet.get(FIRST)["driver"]
    assert driver["public_dns"] == driver["private_ip"] == "10.0.0.1"


def test_a_restarted_cluster_has_no_address_meanwhile_and_then_another_one(
    fleet: Fleet, steps: Any, until: Until
) -> None:
    fleet.open()
    before = fleet.get(FIRST)["last_restarted_time"]
    steps.held.clear()
    fleet.restart(FIRST)
    assert state(fleet) == "RESTARTING"
    until(lambda: "driver" not in fleet.get(FIRST))
    steps.held.set()
    until(lambda: state(fleet) == "RUNNING")
    assert fleet.get(FIRST)["driver"]["public_dns"] == "10.0.0.2"
    assert fleet.get(FIRST)["last_restarted_time"] >= before


def test_a_terminated_cluster_says_who_did_it(fleet: Fleet, machines: Any, until: Until) -> None:
    fleet.open()
    fleet.terminate(FIRST)
    until(lambda: state(fleet) == "TERMINATED")
    document = fleet.get(FIRST)
    assert document["termination_reason"]["code"] == "USER_REQUEST"
    assert "driver" not in document
    assert FIRST in machines.stopped


def test_terminating_while_it_starts_wins(fleet: Fleet, steps: Any, machines: Any, until: Until) -> None:
    steps.held.clear()
    fleet.start(FIRST)
    fleet.terminate(FIRST)
    steps.held.set()
    until(lambda: state(fleet) == "TERMINATED")
    assert machines.booted == []


def test_a_driver_that_does_not_come_up_ends_the_start_with_the_reason(fleet: Fleet, machines: Any) -> None:
    machines.broken = True
    with pytest.raises(ApiError, match="no room"):
        fleet.open()
    document = fleet.get(FIRST)
    assert document["state"] == "TERMINATED"
    assert document["termination_reason"]["code"] == "CONTAINER_LAUNCH_FAILURE"


def test_opening_twice_boots_once(fleet: Fleet, machines: Any) -> None:
    fleet.open()
    fleet.open()
    assert len(machines.booted) == 1


def test_a_running_cluster_cannot_be_started_nor_a_terminated_one_restarted(fleet: Fleet) -> None:
    with pytest.raises(ApiError, match="unexpected state Terminated"):
        fleet.restart(FIRST)
    fleet.open()
    with pytest.raises(ApiError, match="unexpected state Running"):
        fleet.start(FIRST)


def test_editing_a_running_cluster_restarts_it_with_the_new_keys(
    fleet: Fleet, machines: Any, steps: Any, until: Until
) -> None:
    fleet.open()
    steps.held.clear()
    fleet.edit(FIRST, {"cluster_id": FIRST, "spark_version": "15.4.x-scala2.12", "ssh_public_keys": ["one", "two"]})
    assert state(fleet) == "RESTARTING"
    steps.held.set()
    until(lambda: state(fleet) == "RUNNING")
    assert machines.booted[-1] == (FIRST, ("one", "two"))


def test_an_edit_replaces_all_that_it_does_not_name(fleet: Fleet) -> None:
    fleet.edit(FIRST, {"cluster_id": FIRST, "spark_version": "15.4.x-scala2.12"})
    document = fleet.get(FIRST)
    assert document["state"] == "TERMINATED"
    assert "ssh_public_keys" not in document
    assert "init_scripts" not in document


@pytest.mark.parametrize(
    ("specification", "message"),
    [({}, "spark_version"), ({"spark_version": "15.4.x-scala2.12", "ssh_public_keys": ["k"] * 11}, "10 SSH")],
)
def test_an_edit_that_the_platform_refuses_changes_nothing(
    fleet: Fleet, specification: dict[str, Any], message: str
) -> None:
    before = fleet.get(FIRST)
    with pytest.raises(ApiError, match=message):
        fleet.edit(FIRST, specification)
    assert fleet.get(FIRST) == before


def test_closing_takes_every_driver_away(fleet: Fleet, machines: Any) -> None:
    fleet.open()
    machines.stopped.clear()
    fleet.close()
    assert set(machines.stopped) == {cluster["cluster_id"] for cluster in fleet.listed()}
