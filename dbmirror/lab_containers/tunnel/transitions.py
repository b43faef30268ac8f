"""The tunnel's state machine: pure functions from what was seen to the next status and the next attempt.

Commands in its texts say MIRROR; who publishes a status puts the mirror's name there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from .settings import Jump
from .state import State, Status
from .workspace import Found

STARTING_STATES = frozenset({"PENDING", "RESTARTING"})
RUNNING_STATES = frozenset({"RUNNING", "RESIZING"})


class Trouble(Enum):
    """Why there is no connection."""

    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    """The key was refused, or cannot be used."""
    HOST_KEY_CHANGED = "host key changed"
    HOST_KEY_UNKNOWN = "host key unknown"
    BRIDGE_MISSING = "bridge missing"
    """Nothing on the user's machine runs the ProxyCommand that leads to the driver."""
    LOST = "lost"
    """There was a connection, and it ended."""


_STATES = {
    Trouble.REFUSED: State.AUTH_FAILED,
    Trouble.HOST_KEY_CHANGED: State.HOST_KEY_CHANGED,
    Trouble.HOST_KEY_UNKNOWN: State.HOST_KEY_CHANGED,
}


@dataclass(frozen=True)
class Memory:
    """All that the supervisor remembers between two steps."""

    status: Status
    next_attempt: float
    """On the monotonic clock."""
    failing_since: float | None = None
    """When the present row of failures began, on the monotonic clock."""


def begin(*, now: float, at: float) -> Memory:
    """Before the first step. `now` is of the monotonic clock, `at` in seconds since 1970, here and below."""
    return Memory(status=Status(state=State.STARTING, text="The tunnel starts.", since=at), next_attempt=now)


def looked_up(memory: Memory, found: Found, *, port: int, now: float, at: float, only_running: bool = False) -> Memory:
    """After a look for the cluster: `status.address` is where to connect to, None where there is nothing to try.

    With `only_running` there is nothing to try, either, while the workspace cannot say whether the cluster runs.
    """
    status = replace(memory.status, cluster_state=found.cluster_state)
    if found.cluster_state in STARTING_STATES:
        status = status.now_at(
            State.CLUSTER_STARTING, "The cluster starts; the tunnel waits for its driver.", at=at, address=None
        )
        return Memory(status=status, next_attempt=now + 2.0)
    if found.cluster_state is not None and found.cluster_state not in RUNNING_STATES:
        status = status.now_at(
            State.CLUSTER_DOWN,
            f"The cluster is {found.cluster_state.lower()}; the tunnel waits until somebody starts it.",
            at=at,
            address=None,
        )
        since = _first_failure(memory, now) if memory.status.state is State.CLUSTER_DOWN else now
        return Memory(status=status, next_attempt=now + _patience(now - since, slow=30.0), failing_since=since)
    if found.address is None:
        where = f"because {found.problem}" if found.problem else "because the workspace states none"
        status = status.now_at(
            State.UNREACHABLE,
            f"The driver's address is not known, {where}; the tunnel asks again. "
            "'dbmirror lab up MIRROR' brings credentials.",
            at=at,
            address=None,
        )
        return failed_again(replace(memory, status=status), now=now)
    if only_running and found.cluster_state is None:
        status = status.now_at(
            State.UNREACHABLE,
            f"The tunnel waits: whether the cluster runs is not known, because {found.problem}, and the ProxyCommand "
            "of your ssh config starts one that does not, which costs. 'dbmirror lab up MIRROR' brings credentials.",
            at=at,
            address=None,
        )
        return failed_again(replace(memory, status=status), now=now)
    status = replace(status, address=_shown(found.address, port))
    if status.state in {State.CLUSTER_DOWN, State.CLUSTER_STARTING}:
        # The cluster is back: what was waited for until now says nothing of how soon its driver answers.
        return Memory(status=replace(status, failures=0), next_attempt=now)
    return replace(memory, status=status)


def waiting(memory: Memory, said: str, *, at: float) -> Memory:
    """While the ProxyCommand connects, which may take minutes; `said` is what it said until now."""
    words = f" It says: {said}" if said else ""
    text = f"The ProxyCommand of your ssh config connects to the driver.{words}"
    return replace(memory, status=memory.status.now_at(memory.status.state, text, at=at))


def connected(memory: Memory, *, now: float, at: float) -> Memory:
    """After a connection was made."""
    status = memory.status.now_at(
        State.CONNECTED,
        f"Connected to the driver at {memory.status.address}.",
        at=at,
        failures=0,
    )
    return Memory(status=status, next_attempt=now)


def failed(
    memory: Memory,
    trouble: Trouble,
    said: str,
    found: Found,
    *,
    now: float,
    at: float,
    jump: Jump | None = None,
    costly: bool = False,
) -> Memory:
    """After an attempt that failed, or a connection that was lost.

    `said` is ssh's own last word, `jump` the jump host that it failed at: None for the driver. A `costly` attempt
    starts a program on the user's machine, and is made less often.
    """
    address = memory.status.address
    quoted = f" ({said})" if said else ""
    if trouble is Trouble.LOST:
        text = f"The connection to the driver at {address} was lost{quoted}; the tunnel connects again."
        status = memory.status.now_at(State.UNREACHABLE, text, at=at)
        return Memory(status=status, next_attempt=now, failing_since=now)
    state = _STATES.get(trouble, State.UNREACHABLE)
    text = _about_jump(jump, trouble, quoted) if jump else _about_driver(address, trouble, quoted, found)
    memory = replace(memory, status=memory.status.now_at(state, text, at=at))
    return failed_again(memory, now=now, costly=costly and trouble is not Trouble.BRIDGE_MISSING)


def _about_driver(address: str | None, trouble: Trouble, quoted: str, found: Found) -> str:
    if trouble is Trouble.REFUSED:
        return (
            f"The driver at {address} refuses the key, or the key cannot be used{quoted}. "
            "'dbmirror ssh setup MIRROR' puts a key on the cluster; then 'dbmirror lab up MIRROR'."
        )
    if trouble is Trouble.HOST_KEY_CHANGED:
        return (
            f"The driver at {address} has another host key than the pinned one. A cluster that was restarted has: "
            "then 'dbmirror lab up MIRROR' asks the workspace and goes on. Where it cannot say the key, "
            "'dbmirror ssh repin MIRROR' and 'dbmirror lab up MIRROR' do."
        )
    if trouble is Trouble.HOST_KEY_UNKNOWN:
        return (
            f"No host key of the driver at {address} is pinned. "
            "'dbmirror ssh test MIRROR' shows it and pins it; then 'dbmirror lab up MIRROR'."
        )
    if trouble is Trouble.BRIDGE_MISSING:
        return (
            "The bridge on your machine, which runs the ProxyCommand of your ssh config for the tunnel, is not there. "
            "Plain 'docker compose up' cannot start it: 'dbmirror lab up MIRROR' does."
        )
    unknown = f" Whether the cluster runs is not known: {found.problem}." if found.problem else ""
    return f"The driver does not answer at {address}{quoted}; the tunnel tries again.{unknown}"


def _about_jump(jump: Jump, trouble: Trouble, quoted: str) -> str:
    by_hand = f"'ssh -p {jump.port} {jump.user}@{jump.host}'"
    if trouble is Trouble.REFUSED:
        return (
            f"The jump host {jump.address} refuses the key, or the key cannot be used{quoted}. Its user and key are "
            "those of your ssh config; once they are right, 'dbmirror lab up MIRROR' goes on."
        )
    if trouble is Trouble.HOST_KEY_CHANGED:
        return (
            f"The jump host {jump.address} has another host key than the one in your known_hosts. If it was changed "
            f"for a good reason, put the new one there ({by_hand} says how); then 'dbmirror lab up MIRROR'."
        )
    if trouble is Trouble.HOST_KEY_UNKNOWN:
        return (
            f"No host key of the jump host {jump.address} is known. Connect to it once by hand, with {by_hand}; "
            "then 'dbmirror lab up MIRROR'."
        )
    return f"The jump host {jump.address} on the way to the driver does not answer{quoted}; the tunnel tries again."


def failed_again(memory: Memory, *, now: float, costly: bool = False) -> Memory:
    """Count a failure and set the time of the next attempt."""
    since = _first_failure(memory, now)
    failures = memory.status.failures + 1
    if memory.status.state in {State.AUTH_FAILED, State.HOST_KEY_CHANGED}:
        # Trying again does not mend these, and a server may lock out who knocks too often.
        pause = 15.0 if now - since < 600 else 60.0
    elif costly:
        pause = min(2.0 ** min(failures, 5), 15.0 if now - since < 600 else 60.0)
    else:
        pause = min(0.25 * 2.0 ** min(failures, 10), _patience(now - since, slow=15.0))
    return Memory(status=replace(memory.status, failures=failures), next_attempt=now + pause, failing_since=since)


def renewed(memory: Memory, *, now: float) -> Memory:
    """After a new pin, key or token was put there: try at once."""
    return replace(memory, next_attempt=now)


def _patience(seconds: float, *, slow: float) -> float:
    """How long to wait at most after failing for `seconds`: a driver that comes back soon is found within seconds."""
    return 2.0 if seconds < 600 else 5.0 if seconds < 3600 else slow


def _first_failure(memory: Memory, now: float) -> float:
    return now if memory.failing_since is None else memory.failing_since


def _shown(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
