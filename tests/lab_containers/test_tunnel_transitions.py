"""The tunnel's states, without Docker, ssh or a clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from dbmirror.lab_containers.tunnel import transitions
from dbmirror.lab_containers.tunnel.connection import NotConnected, explain
from dbmirror.lab_containers.tunnel.leases import Orphans
from dbmirror.lab_containers.tunnel.settings import Settings
from dbmirror.lab_containers.tunnel.state import State
from dbmirror.lab_containers.tunnel.supervisor import TICK_SECONDS, WATCH_SECONDS, Supervisor, World
from dbmirror.lab_containers.tunnel.transitions import Trouble
from dbmirror.lab_containers.tunnel.workspace import Found

RUNNING = Found(cluster_state="RUNNING", address="10.0.0.4")
NO_WORKSPACE = Found(address="10.0.0.4", problem="there are no workspace credentials")


@dataclass
class Wire:
    """A connection that ends when the test says so."""

    alive: bool = True
    silent: bool = False
    closed: bool = False

    def ended(self) -> bool:
        return not self.alive

    def last_words(self) -> str:
        return "Connection reset by peer" if not self.alive else ""

    def answers(self) -> bool:
        return self.alive and not self.silent

    def close(self) -> None:
        self.closed = True


@dataclass
class Stage:
    """A world in which time passes only when the supervisor waits."""

    found: Found = RUNNING
    trouble: Trouble | None = None
    now: float = 1000.0
    given: object = None
    wire: Wire = field(default_factory=Wire)
    attempts: list[tuple[float, str]] = field(default_factory=list)
    looks: int = 0
    said: list[str] = field(default_factory=list)
    states: list[dict[str, Any]] = field(default_factory=list)
    orphans: Orphans = field(default_factory=lambda: Orphans(Path("/nowhere/control")))
    greetings: list[float] = field(default_factory=list)

    def supervisor(self, **settings: Any) -> Supervisor:
        made = Settings(
            mirror="demo",
            cluster="0101-120000-abcdefgh",
            host="10.0.0.4",
            fixed_host=None,
            port=2200,
            user="ubuntu",
            forwards=(4040,),
            workspace="https://workspace.example",
        )
        return Supervisor(
            replace(made, **settings),
            World(
                look_up=self._look,
                connect=self._connect,
                orphans=lambda _: self.orphans,
                monotonic=lambda: self.now,
                clock=lambda: self.now + 1e9,
                wait=self._wait,
                publish=lambda _, content: self.states.append(content),
                say=self.said.append,
                given=lambda _: self.given,
                greet=lambda _: self.greetings.append(self.now),
                said=lambda _: (0.0, ""),
            ),
        )

    def run(self, supervisor: Supervisor, seconds: float) -> State:
        until = self.now + seconds
        while self.now < until:
            supervisor.step()
            self._wait(TICK_SECONDS)
        return supervisor.memory.status.state

    def _wait(self, seconds: float) -> None:
        self.now += seconds

    def _look(self, _: Settings) -> Found:
        self.looks += 1
        return self.found

    def _connect(self, _: Settings, host: str, __: Callable[[], None]) -> Wire:
        self.attempts.append((self.now, host))
        if self.trouble is not None:
            raise NotConnected(self.trouble, "what ssh said")
        self.wire = Wire()
        return self.wire


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_a_running_cluster_is_connected_at_once(stage: Stage) -> None:
    assert stage.run(stage.supervisor(), 1) is State.CONNECTED
    assert stage.attempts == [(1000.0, "10.0.0.4")]
    assert stage.states[-1]["state"] == "connected"
    assert stage.states[-1]["address"] == "10.0.0.4:2200"
    assert stage.said[-1] == "connected: Connected to the driver at 10.0.0.4:2200."


@pytest.mark.parametrize(
    ("cluster_state", "state"),
    [
        ("TERMINATED", State.CLUSTER_DOWN),
        ("TERMINATING", State.CLUSTER_DOWN),
        ("ERROR", State.CLUSTER_DOWN),
        ("PENDING", State.CLUSTER_STARTING),
        ("RESTARTING", State.CLUSTER_STARTING),
        ("RESIZING", State.CONNECTED),
    ],
)
def test_what_the_workspace_says_of_the_cluster_decides_what_is_waited_for(
    stage: Stage, cluster_state: str, state: State
) -> None:
    stage.found = Found(cluster_state=cluster_state, address="10.0.0.4")
    assert stage.run(stage.supervisor(), 10) is state
    assert bool(stage.attempts) is (state is State.CONNECTED)


def test_a_cluster_that_starts_is_found_at_its_new_address(stage: Stage) -> None:
    supervisor = stage.supervisor()
    stage.found = Found(cluster_state="TERMINATED")
    stage.run(supervisor, 60)
    stage.found = Found(cluster_state="PENDING")
    stage.run(supervisor, 30)
    stage.found = Found(cluster_state="RUNNING", address="10.0.0.5")
    assert stage.run(supervisor, 3) is State.CONNECTED
    assert [host for _, host in stage.attempts] == ["10.0.0.5"]
    assert [line.partition(":")[0] for line in stage.said] == ["cluster-down", "cluster-starting", "connected"]


def test_a_cluster_that_is_down_for_long_is_asked_after_less_often_and_still_found_at_once(stage: Stage) -> None:
    supervisor = stage.supervisor()
    stage.found = Found(cluster_state="TERMINATED")
    stage.run(supervisor, 5 * 3600)
    before = stage.looks
    stage.run(supervisor, 600)
    assert stage.looks - before <= 21
    stage.found, stage.trouble = Found(cluster_state="RUNNING", address="10.0.0.5"), Trouble.UNREACHABLE
    stage.run(supervisor, 60)
    stage.trouble = None
    assert stage.run(supervisor, 3) is State.CONNECTED


def test_a_driver_that_comes_back_within_minutes_is_connected_within_three_seconds(stage: Stage) -> None:
    supervisor = stage.supervisor()
    stage.run(supervisor, 5)
    stage.wire.alive, stage.trouble = False, Trouble.UNREACHABLE
    assert stage.run(supervisor, 300) is State.UNREACHABLE
    stage.trouble = None
    assert stage.run(supervisor, 3) is State.CONNECTED
    assert supervisor.memory.status.failures == 0


def test_attempts_become_rarer_the_longer_the_driver_is_away(stage: Stage) -> None:
    stage.trouble = Trouble.UNREACHABLE
    supervisor = stage.supervisor()
    stage.run(supervisor, 3 * 3600)
    moments = [moment for moment, _ in stage.attempts]
    pauses = [later - earlier for earlier, later in pairwise(moments)]
    assert pauses[0] <= 1
    assert max(pauses[:100]) <= 2.5
    assert 14 <= pauses[-1] <= 16
    assert all(later >= earlier - TICK_SECONDS for earlier, later in pairwise(pauses))


def test_a_refused_key_is_not_tried_again_every_second(stage: Stage) -> None:
    stage.trouble = Trouble.REFUSED
    assert stage.run(stage.supervisor(), 60) is State.AUTH_FAILED
    assert len(stage.attempts) <= 5
    assert "dbmirror ssh setup" in stage.states[-1]["text"]


@pytest.mark.parametrize("trouble", [Trouble.HOST_KEY_CHANGED, Trouble.HOST_KEY_UNKNOWN])
def test_a_new_pin_is_tried_at_once(stage: Stage, trouble: Trouble) -> None:
    stage.trouble = trouble
    supervisor = stage.supervisor()
    assert stage.run(supervisor, 300) is State.HOST_KEY_CHANGED
    stage.trouble, stage.given = None, "another pin"
    assert stage.run(supervisor, 0.5) is State.CONNECTED


def test_a_changed_host_key_says_how_to_pin_the_new_one(stage: Stage) -> None:
    stage.trouble = Trouble.HOST_KEY_CHANGED
    stage.run(stage.supervisor(), 1)
    assert "'dbmirror ssh repin demo' and 'dbmirror lab up demo'" in stage.states[-1]["text"]


def test_a_connection_whose_child_ended_is_made_again_at_once(stage: Stage) -> None:
    supervisor = stage.supervisor()
    stage.run(supervisor, 5)
    first = stage.wire
    first.alive = False
    assert stage.run(supervisor, 1) is State.CONNECTED
    assert first.closed
    assert len(stage.attempts) == 2
    assert any("was lost (Connection reset by peer)" in line for line in stage.said)


def test_a_connection_that_no_longer_carries_is_given_up(stage: Stage) -> None:
    supervisor = stage.supervisor()
    stage.run(supervisor, 5)
    first = stage.wire
    first.silent = True
    stage.run(supervisor, WATCH_SECONDS + 1)
    assert first.closed
    assert supervisor.connection is stage.wire is not first


def test_without_credentials_the_state_says_that_the_cluster_may_be_down(stage: Stage) -> None:
    stage.found, stage.trouble = NO_WORKSPACE, Trouble.UNREACHABLE
    assert stage.run(stage.supervisor(), 5) is State.UNREACHABLE
    assert "there are no workspace credentials" in stage.states[-1]["text"]


def test_an_unknown_address_is_unreachable_and_asked_for_again(stage: Stage) -> None:
    stage.found = Found(address=None, problem="there are no workspace credentials")
    supervisor = stage.supervisor()
    assert stage.run(supervisor, 30) is State.UNREACHABLE
    assert stage.attempts == []
    assert stage.looks > 10
    stage.found = RUNNING
    assert stage.run(supervisor, 3) is State.CONNECTED


def test_the_state_is_written_again_while_nothing_changes_and_its_start_stays(stage: Stage) -> None:
    supervisor = stage.supervisor()
    stage.run(supervisor, 65)
    written = [state for state in stage.states if state["state"] == "connected"]
    assert 5 <= len(written) <= 8
    assert len({state["since"] for state in written}) == 1
    assert written[-1]["updated"] > written[0]["updated"]


def test_stopping_closes_the_connection(stage: Stage) -> None:
    turns = iter([False] * 5 + [True] * 5)
    stage.supervisor().run(lambda: next(turns))
    assert stage.wire.closed


def test_the_pauses_never_shrink_within_one_row_of_failures() -> None:
    memory = transitions.begin(now=0.0, at=0.0)
    pauses = []
    for _ in range(20):
        now = memory.next_attempt
        memory = transitions.failed(memory, Trouble.UNREACHABLE, "", RUNNING, now=now, at=now)
        pauses.append(memory.next_attempt - now)
    assert pauses == sorted(pauses)


@pytest.mark.parametrize(
    ("lines", "trouble"),
    [
        (["ssh: connect to host 10.0.0.4 port 2200: Connection refused"], Trouble.UNREACHABLE),
        (["ssh: Could not resolve hostname driver: Name or service not known"], Trouble.UNREACHABLE),
        (["ubuntu@10.0.0.4: Permission denied (publickey)."], Trouble.REFUSED),
        (['Load key "/k": error in libcrypto', "ubuntu@h: Permission denied (publickey)."], Trouble.REFUSED),
        (["@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @", "Host key verification failed."],
         Trouble.HOST_KEY_CHANGED),
        (["No ED25519 host key is known for 0101 and you have requested strict checking.",
          "Host key verification failed."], Trouble.HOST_KEY_UNKNOWN),
        ([], Trouble.UNREACHABLE),
    ],
)  # fmt: skip
def test_what_ssh_says_is_understood(lines: list[str], trouble: Trouble) -> None:
    assert explain(lines)[0] is trouble


def test_the_program_uses_nothing_newer_than_python_3_8() -> None:
    import ast

    import dbmirror.lab_containers.tunnel

    files = sorted(Path(dbmirror.lab_containers.tunnel.__file__).parent.glob("*.py"))
    assert len(files) > 8
    for file in files:
        ast.parse(file.read_text(), feature_version=(3, 8))


def test_a_proxy_command_that_fails_is_started_less_often_than_a_driver_is_knocked_at(stage: Stage) -> None:
    stage.trouble = Trouble.UNREACHABLE
    stage.run(stage.supervisor(bridge_seconds=120), 300)
    assert 15 < len(stage.attempts) < 30


def test_the_bridge_is_told_that_the_tunnel_runs_also_while_the_cluster_is_down(stage: Stage) -> None:
    stage.found = Found(cluster_state="TERMINATED")
    stage.run(stage.supervisor(bridge_seconds=120), 60)
    assert len(stage.greetings) == 6


def test_a_tunnel_without_a_bridge_greets_none(stage: Stage) -> None:
    stage.run(stage.supervisor(), 60)
    assert stage.greetings == []


def test_a_proxy_command_that_starts_clusters_is_not_run_while_nobody_knows_whether_the_cluster_runs(
    stage: Stage,
) -> None:
    stage.found = Found(address="demo-ssh", problem="the workspace refuses the token")
    supervisor = stage.supervisor(bridge_seconds=120, may_start_cluster=True)
    assert stage.run(supervisor, 300) is State.UNREACHABLE
    assert stage.attempts == []
    assert "which costs. 'dbmirror lab up demo' brings credentials." in stage.states[-1]["text"]
    stage.found = Found(cluster_state="RUNNING", address="demo-ssh")
    assert stage.run(supervisor, 10) is State.CONNECTED


def test_another_proxy_command_goes_on_without_the_workspace(stage: Stage) -> None:
    stage.found = Found(address="demo-ssh", problem="the workspace refuses the token")
    assert stage.run(stage.supervisor(bridge_seconds=120), 5) is State.CONNECTED


def test_without_the_bridge_the_state_says_what_brings_it_back(stage: Stage) -> None:
    stage.trouble = Trouble.BRIDGE_MISSING
    assert stage.run(stage.supervisor(bridge_seconds=120), 5) is State.UNREACHABLE
    assert stage.states[-1]["text"] == (
        "The bridge on your machine, which runs the ProxyCommand of your ssh config for the tunnel, is not there. "
        "Plain 'docker compose up' cannot start it: 'dbmirror lab up demo' does."
    )
