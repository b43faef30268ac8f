"""What the tunnel is doing, and the JSON file that tells everybody."""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

SCHEMA = 1
"""Version of the state file."""


class State(Enum):
    """Where the tunnel stands."""

    STARTING = "starting"
    """Nothing is known yet."""
    CLUSTER_DOWN = "cluster-down"
    """The workspace says that the cluster does not run."""
    CLUSTER_STARTING = "cluster-starting"
    """The workspace says that the cluster is on its way up."""
    UNREACHABLE = "unreachable"
    """The driver does not answer at its address, or its address is not known."""
    AUTH_FAILED = "auth-failed"
    """The driver answers and refuses the key, or there is no key that can be used."""
    HOST_KEY_CHANGED = "host-key-changed"
    """The driver's host key is not the pinned one, or none is pinned."""
    CONNECTED = "connected"


@dataclass(frozen=True)
class Status:
    """The tunnel at one moment."""

    state: State
    text: str
    """What that means and what is waited for, in one or two sentences."""
    since: float
    """When the state began, in seconds since 1970."""
    address: str | None = None
    """Where the driver is or was last looked for, `10.0.0.4:2200`."""
    cluster_state: str | None = None
    """What the workspace said last, `RUNNING`; None without workspace credentials or without an answer."""
    failures: int = 0
    """How many attempts in a row have failed."""

    def now_at(self, state: State, text: str, *, at: float, **changes: Any) -> Status:
        """The status that follows; `since` stays where the state does."""
        since = self.since if state is self.state else at
        return replace(self, state=state, text=text, since=since, **changes)


def document(status: Status, *, mirror: str, cluster: str, forwards: tuple[int, ...], at: float) -> dict[str, Any]:
    """The status as the state file holds it."""
    return {
        "schema": SCHEMA,
        "mirror": mirror,
        "cluster": cluster,
        "state": status.state.value,
        "text": status.text,
        "since": _time(status.since),
        "updated": at,
        "address": status.address,
        "cluster_state": status.cluster_state,
        "failures": status.failures,
        "forwards": list(forwards),
    }


def publish(path: Path, content: dict[str, Any]) -> None:
    """Write `content` to `path` so that a reader sees the old file or the new one, whole."""
    descriptor, name = tempfile.mkstemp(prefix=".state-", dir=path.parent)
    with os.fdopen(descriptor, "w") as stream:
        json.dump(content, stream, indent=2)
        stream.write("\n")
    temporary = Path(name)
    temporary.chmod(0o644)
    temporary.replace(path)


def say(line: str) -> None:
    """Write a line with its time to the container's log."""
    print(f"{_time(time.time())} {line}", flush=True)


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
