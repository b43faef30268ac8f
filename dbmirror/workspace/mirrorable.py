"""Whether a cluster can be mirrored, and whether an image made of it can run on it.

The platform's own obstacles (rule L25: access modes, runtimes, nodes) stand in runtimes/cluster_obstacles.py.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from dbmirror.foreign_text.decoding import convert
from dbmirror.foreign_text.redaction import foreign_line
from dbmirror.hosts.host_key import HostKey, parse_public_key
from dbmirror.inventory.model import Text
from dbmirror.runtimes.cluster_obstacles import STANDARD, obstacles
from dbmirror.workspace.answers import Answer, driver_address, text, texts

RUNNING: Final = frozenset({"RUNNING", "RESIZING"})
_ON_THE_WAY: Final = frozenset({"PENDING", "RESTARTING"})
_KNOWN_STATES: Final = RUNNING | _ON_THE_WAY | {"TERMINATING", "TERMINATED", "ERROR"}
_FIRST_WITH_TUNNEL: Final = 17
"""Runtimes from 17 on have the server that 'databricks ssh' connects to, with dedicated access."""
_STARTED_BY_HAND: Final = frozenset({"", "UI", "API"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSummary:
    """A cluster in a list."""

    cluster_id: Text
    cluster_name: Text
    spark_version: Text
    """Empty where the workspace states none."""
    node_type: Text | None
    access_mode: Text | None
    state: Text
    source: Text | None
    """Who made it: `UI`, `API`, `JOB`, `PIPELINE`, …"""
    cannot_snapshot: tuple[Text, ...]
    """Why it cannot be read; empty where it can, perhaps after a start."""
    ways: tuple[Text, ...]
    """How its driver can be read: `ssh`, `api`. Known without a try: a closed port or a missing right is not seen."""
    no_ssh: Text
    """Why SSH is no way; empty where it is one."""
    ssh_host: Text | None
    """The host of the user's ssh config whose ProxyCommand leads to it."""
    databricks_ssh: bool
    """Its runtime and access mode fit the tunnel of 'databricks ssh'."""
    lacks_key: bool
    """No key of the user's is on it, and nothing else speaks against SSH."""
    cannot_run_image: tuple[Text, ...]
    """Why no custom image can run on it (rule L25 of the DCS contract); its snapshot and a lab image are possible."""
    needs_start: bool
    """It must be started first (`--start`)."""

    @property
    def can_snapshot(self) -> bool:
        """It can be mirrored, perhaps after a start."""
        return not self.cannot_snapshot

    @property
    def needs_only_key(self) -> bool:
        """It can be mirrored once `ssh setup` put a key on it, or already."""
        return self.can_snapshot or self.lacks_key


Fits = Callable[[ClusterSummary], bool]
"""Whether a cluster can be what it is looked for as."""
Keys = Collection[bytes]
"""Public keys as SSH sends them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """How the clusters of a list would be logged in to."""

    profile: str
    offered: Callable[[str], Keys | None] = lambda _: None
    """The keys that would be offered at a driver's address; None where that cannot be said without trying."""
    alias: Callable[[str], str | None] = lambda _: None
    """The host of the user's ssh config whose ProxyCommand leads to the cluster of an id; None where there is none."""
    by_alias: bool = False
    """The mirror names a host of the user's ssh config: the cluster's own keys say nothing then."""


def summarise(answer: Answer, login: Login) -> ClusterSummary:
    """What the workspace's `answer` says of a cluster that is read with `login`: an odd one as what it is."""
    cluster_id = text(answer, "cluster_id")
    found = _obstacles(answer)
    host = None if login.by_alias or found else login.alias(cluster_id)
    key = None if login.by_alias or host else _key_obstacle(answer, login)
    access_mode = text(answer, "data_security_mode")
    ways = () if found else (*(() if key else ("ssh",)), *(() if access_mode in STANDARD else ("api",)))
    return convert(
        {
            "cluster_id": cluster_id,
            "cluster_name": text(answer, "cluster_name") or cluster_id,
            "spark_version": text(answer, "spark_version"),
            "node_type": text(answer, "node_type_id") or None,
            "access_mode": access_mode or None,
            "state": text(answer, "state") or "UNKNOWN",
            "source": text(answer, "cluster_source") or None,
            "cannot_snapshot": (*found, *([key] if key and not ways else ())),
            "ways": ways,
            "no_ssh": key or "",
            "ssh_host": host,
            "databricks_ssh": not found and access_mode not in STANDARD and _major(answer) >= _FIRST_WITH_TUNNEL,
            "lacks_key": key is not None and not found,
            "cannot_run_image": image_obstacles(answer),
            "needs_start": text(answer, "state") not in RUNNING,
        },
        ClusterSummary,
    )


def _obstacles(answer: Answer) -> tuple[str, ...]:
    """Why the cluster cannot be read, apart from its keys."""
    found: list[str] = []
    state, made_by, spark = text(answer, "state"), text(answer, "cluster_source"), text(answer, "spark_version")
    if not text(answer, "cluster_id"):
        found.append("the workspace states no id of it")
    if not spark:
        found.append("the workspace states no runtime of it")
    elif spark.startswith("dlt:"):
        found.append(f"it is a pipeline's ({spark}), whose environment is no cluster's: mirror one with that runtime")
    elif re.fullmatch(r"client\.[0-9.]+", spark):
        found.append(f"it is serverless ({spark}), which has no driver to read")
    if state == "ERROR":
        found.append(f"it is in state ERROR: {text(answer, 'state_message', most=300) or 'no reason given'}")
    elif state not in _KNOWN_STATES:
        found.append(f"its state {state or '(none)'} is one that dbmirror does not know")
    if state not in RUNNING | _ON_THE_WAY and made_by not in _STARTED_BY_HAND:
        found.append(f"it belongs to a {made_by.lower()} and cannot be started by hand")
    if state in RUNNING and not driver_address(answer):
        found.append("the workspace states no address of its driver (serverless, or not yet up)")
    return tuple(found)


def _major(answer: Answer) -> int:
    found = re.match(r"\d{1,4}", text(answer, "spark_version"))
    return int(found[0]) if found else 0


def _key_obstacle(answer: Answer, login: Login) -> str | None:
    """Why no login can come about by the keys that the cluster has."""
    profile = shlex.quote(login.profile)
    # A command with quotes of its own stands without further ones, so that it can be copied.
    setup = f"dbmirror ssh setup {profile}" if profile != login.profile else f"'dbmirror ssh setup {profile}'"
    keys = [key for key in map(parse_public_key, texts(answer, "ssh_public_keys")) if isinstance(key, HostKey)]
    if not keys:
        return f"it has no SSH key: {setup} adds one, or use the tunnel of 'databricks ssh setup'"
    offered = login.offered(driver_address(answer))
    if offered is None or any(key.blob in offered for key in keys):
        return None
    return f"none of the keys that you have is on it: {setup} adds yours"


def image_obstacles(answer: Answer) -> tuple[str, ...]:
    """Why Databricks Container Services cannot run an image on this cluster as it is configured (rule L25)."""
    found = obstacles(
        spark_version=text(answer, "spark_version"),
        node_types=(text(answer, "node_type_id"), text(answer, "driver_node_type_id")),
        access_mode=text(answer, "data_security_mode") or None,
        use_ml_runtime=answer.get("use_ml_runtime") is True,
    )
    return tuple(foreign_line(obstacle.reason, 300) for obstacle in found)
