"""The clusters of the stand-in workspace and how their states change over time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

from dbmirror.errors import DbmirrorError
from dbmirror.sandbox.workspace.catalogue import USER

_STARTING: Final = (
    "Starting Spark",
    "Finding instances for new nodes, acquiring more instances if necessary",
)
_STEP_SECONDS: Final = 0.7
"""How long each step of a start or an end takes: long enough to be seen, short enough to wait for."""


class ApiError(Exception):
    """An answer that is an error: HTTP status, and the code and message of the body."""

    def __init__(self, status: int, code: str | int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class Machines(Protocol):
    """What gives a cluster its driver."""

    def boot(self, cluster_id: str, *, public_keys: Sequence[str]) -> str:
        """Start a fresh driver that accepts `public_keys`; its address, once SSH answers there.

        Raises a DbmirrorError where that fails.
        """

    def stop(self, cluster_id: str) -> None:
        """Take the cluster's driver away, if it has one."""


class _Cluster:
    """One cluster: what it is specified as, and where it stands."""

    def __init__(self, specification: dict[str, Any]) -> None:
        self.specification = specification
        self.state = "TERMINATED"
        self.message = "Inactive cluster terminated (inactive for 120 minutes)."
        self.reason: dict[str, Any] = {
            "code": "INACTIVITY",
            "type": "SUCCESS",
            "parameters": {"inactivity_duration_min": "120"},
        }
        self.address: str | None = None
        self.times: dict[str, int] = {}
        self.events: list[dict[str, Any]] = []
        self.turn = 0
        """Raised by every order, so that the steps of an older one end."""


class Fleet:
    """All clusters of a workspace. Safe to use from several threads."""

    def __init__(
        self,
        specifications: Iterable[dict[str, Any]],
        machines: Machines,
        *,
        pause: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._clusters = {each["cluster_id"]: _Cluster(each) for each in specifications}
        self._machines = machines
        self._pause = pause
        self._now = now
        self._lock = threading.RLock()
        self._boots = threading.Lock()
        self.first_id = next(iter(self._clusters))
        """The cluster that is there to be mirrored."""
        for cluster in self._clusters.values():
            self._mark(cluster, "CREATING", user=USER)

    def listed(self) -> list[dict[str, Any]]:
        """All clusters as clusters/list states them."""
        with self._lock:
            return [self._document(cluster) for cluster in self._clusters.values()]

    def get(self, cluster_id: str) -> dict[str, Any]:
        """One cluster as clusters/get states it."""
        with self._lock:
            return self._document(self._find(cluster_id))

    def events(self, cluster_id: str) -> list[dict[str, Any]]:
        """The cluster's events, newest first."""
        with self._lock:
            return list(reversed(self._find(cluster_id).events))

    def start(self, cluster_id: str) -> None:
        """Start a terminated cluster, in steps."""
        self._order(cluster_id, from_states=("TERMINATED",), state="PENDING", event="STARTING")

    def restart(self, cluster_id: str) -> None:
        """Restart a running cluster: it comes back elsewhere."""
        self._order(cluster_id, from_states=("RUNNING",), state="RESTARTING", event="RESTARTING")

    def terminate(self, cluster_id: str, *, code: str = "USER_REQUEST", kind: str = "SUCCESS") -> None:
        """Terminate a cluster, for the reason `code` of the type `kind`; one that is terminated stays so."""
        with self._lock:
            cluster = self._find(cluster_id)
            if cluster.state in {"TERMINATED", "TERMINATING"}:
                return
            cluster.turn += 1
            turn = cluster.turn
            cluster.state, cluster.message = "TERMINATING", "Terminating the cluster"
            cluster.reason = {"code": code, "type": kind, "parameters": {"username": USER}}
            self._mark(cluster, "TERMINATING", reason=cluster.reason)
        threading.Thread(target=self._terminate, args=(cluster, turn), daemon=True).start()

    def edit(self, cluster_id: str, specification: dict[str, Any]) -> None:
        """Replace the cluster's specification as clusters/edit does: what is not named goes; a running one restarts."""
        with self._lock:
            cluster = self._find(cluster_id)
            if cluster.state not in {"RUNNING", "TERMINATED"}:
                raise _unexpected(cluster_id, cluster.state)
            if not specification.get("spark_version"):
                raise ApiError(400, "INVALID_PARAMETER_VALUE", "Missing required field: spark_version")
            if len(specification.get("ssh_public_keys") or ()) > 10:
                raise ApiError(400, "INVALID_PARAMETER_VALUE", "Exceeded the limit of 10 SSH public keys.")
            cluster.specification = {**specification, "cluster_id": cluster_id}
            self._mark(cluster, "EDITED", user=USER)
            if cluster.state == "RUNNING":
                self._order(cluster_id, from_states=("RUNNING",), state="RESTARTING", event="RESTARTING")

    def open(self) -> None:
        """Bring the first cluster up and return when it runs. Raises ApiError where it does not."""
        with self._lock:
            state = self._find(self.first_id).state
        if state == "RUNNING":
            return
        if state == "TERMINATED":
            self.start(self.first_id)
        while True:
            time.sleep(0.05)
            document = self.get(self.first_id)
            if document["state"] == "RUNNING":
                return
            if document["state"] == "TERMINATED":
                raise ApiError(500, "INTERNAL_ERROR", document["state_message"])

    def close(self) -> None:
        """Take all drivers away."""
        with self._lock:
            for cluster in self._clusters.values():
                cluster.turn += 1
        for cluster_id in self._clusters:
            with self._boots, suppress(DbmirrorError):
                self._machines.stop(cluster_id)

    def _order(self, cluster_id: str, *, from_states: tuple[str, ...], state: str, event: str) -> None:
        with self._lock:
            cluster = self._find(cluster_id)
            if cluster.state not in from_states:
                raise _unexpected(cluster_id, cluster.state)
            cluster.turn += 1
            turn = cluster.turn
            cluster.state, cluster.message = state, _STARTING[0]
            self._mark(cluster, event, user=USER)
        threading.Thread(target=self._boot, args=(cluster, turn), daemon=True).start()

    def _boot(self, cluster: _Cluster, turn: int) -> None:
        """The steps of a start or restart, given up where a newer order came in between."""
        try:
            address = self._new_driver(cluster, turn)
        except DbmirrorError as error:
            with self._lock:
                if cluster.turn == turn:
                    self._failed(cluster, str(error))
            return
        with self._lock:
            if address is None or cluster.turn != turn:
                return
            moment = self._milliseconds()
            cluster.address = address
            cluster.state, cluster.message = "RUNNING", ""
            cluster.times = {"start_time": cluster.times.get("start_time", moment), "last_restarted_time": moment}
            self._mark(cluster, "RUNNING", current_num_workers=0, target_num_workers=0)

    def _new_driver(self, cluster: _Cluster, turn: int) -> str | None:
        """The address of the cluster's new driver; None where a newer order came in between."""
        cluster_id = cluster.specification["cluster_id"]
        # The old driver goes first: what was connected to it must notice.
        with self._boots:
            self._machines.stop(cluster_id)
        for message in _STARTING:
            with self._lock:
                if cluster.turn != turn:
                    return None
                cluster.address, cluster.message = None, message
            self._pause(_STEP_SECONDS)
        keys = tuple(cluster.specification.get("ssh_public_keys") or ())
        with self._boots:
            return self._machines.boot(cluster_id, public_keys=keys) if cluster.turn == turn else None

    def _failed(self, cluster: _Cluster, problem: str) -> None:
        parameters = {"databricks_error_message": problem}
        cluster.reason = {"code": "CONTAINER_LAUNCH_FAILURE", "type": "SERVICE_FAULT", "parameters": parameters}
        cluster.state, cluster.message = "TERMINATED", f"Container launch failure: {problem}"
        cluster.times["terminated_time"] = self._milliseconds()
        self._mark(cluster, "TERMINATING", reason=cluster.reason)

    def _terminate(self, cluster: _Cluster, turn: int) -> None:
        with self._boots, suppress(DbmirrorError):
            self._machines.stop(cluster.specification["cluster_id"])
        self._pause(_STEP_SECONDS)
        with self._lock:
            if cluster.turn != turn:
                return
            cluster.address = None
            cluster.state = "TERMINATED"
            cluster.message = f"Terminated by {USER}" if cluster.reason["code"] == "USER_REQUEST" else "Terminated"
            cluster.times["terminated_time"] = self._milliseconds()

    def _find(self, cluster_id: str) -> _Cluster:
        if cluster_id not in self._clusters:
            raise ApiError(400, "INVALID_PARAMETER_VALUE", f"Cluster {cluster_id} does not exist")
        return self._clusters[cluster_id]

    def _document(self, cluster: _Cluster) -> dict[str, Any]:
        specification = {name: value for name, value in cluster.specification.items() if value is not None}
        document = {
            **specification,
            "creator_user_name": USER,
            "cluster_source": "UI",
            "state": cluster.state,
            "state_message": cluster.message,
            "default_tags": {"Vendor": "Databricks", "Creator": USER, "ClusterId": specification["cluster_id"]},
            "spec": specification,
            **cluster.times,
        }
        if cluster.state == "TERMINATED":
            document["termination_reason"] = cluster.reason
        if cluster.address is not None:
            document["driver"] = {
                "node_id": f"node-{cluster.turn}",
                "instance_id": f"i-{cluster.turn:017x}",
                "private_ip": cluster.address,
                "public_dns": cluster.address,
                "host_private_ip": cluster.address,
                "start_timestamp": cluster.times.get("last_restarted_time"),
            }
            document["spark_context_id"] = cluster.times.get("last_restarted_time")
            document["jdbc_port"] = 10000
        return document

    def _mark(self, cluster: _Cluster, kind: str, **details: Any) -> None:
        cluster.events.append(
            {
                "cluster_id": cluster.specification["cluster_id"],
                "timestamp": self._milliseconds(),
                "type": kind,
                "details": details,
            }
        )

    def _milliseconds(self) -> int:
        return int(self._now() * 1000)


def _unexpected(cluster_id: str, state: str) -> ApiError:
    return ApiError(400, "INVALID_STATE", f"Cluster {cluster_id} is in unexpected state {state.capitalize()}.")
