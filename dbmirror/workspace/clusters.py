"""Clusters of a workspace: which there are, and what a snapshot needs to know of one."""

from __future__ import annotations

import re
import shlex
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime

from databricks.sdk.errors import NotFound
from databricks.sdk.service.compute import ClusterDetails, InitScriptInfo

from dbmirror.foreign_text.clean_urls import clean_urls_in
from dbmirror.foreign_text.decoding import convert
from dbmirror.foreign_text.redaction import foreign_line
from dbmirror.hosts.host_key import HostKey, parse_public_key
from dbmirror.hosts.pinned_starts import start_mark
from dbmirror.inventory.model import Text
from dbmirror.snapshot import Cluster, ClusterLibrary
from dbmirror.workspace.answers import GET, ask, each_cluster
from dbmirror.workspace.client import WorkspaceClient
from dbmirror.workspace.errors import ClusterUnknown, RuntimeNotStated, said_clearly
from dbmirror.workspace.libraries import to_libraries
from dbmirror.workspace.mirrorable import RUNNING, ClusterSummary, Login, summarise

_VOLUMES = "spark.databricks.unityCatalog.volumes.enabled"
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*|[0-9A-Fa-f:.]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterState:
    """A cluster now: its lasting facts, and what changes from start to start."""

    cluster: Cluster
    state: Text
    """`RUNNING`, `TERMINATED`, `PENDING`, …"""
    state_message: Text
    driver_address: Text | None
    """The driver's public name, else its private address; None while there is no driver."""
    started_at: Text | None
    """When it started last, `2026-11-20T12:00:00Z`."""
    start: Text
    """A mark of the driver that it has now: its next start has another."""
    ssh_keys: tuple[Text, ...]
    """Fingerprints of the keys that log in, `SHA256:… (ED25519)`."""

    @property
    def runs(self) -> bool:
        """Whether it has a driver that answers."""
        return self.state in RUNNING


def list_clusters(w: WorkspaceClient, login: Login | None = None) -> tuple[ClusterSummary, ...]:
    """All clusters that the user sees, sorted by name and id; an odd one as what it is. Raises WorkspaceError."""
    login = login or Login(profile=w.config.profile or "DEFAULT")
    with clearly(w):
        found = [summarise(answer, login) for answer in each_cluster(w)]
    return tuple(sorted(found, key=lambda cluster: (cluster.cluster_name.lower(), cluster.cluster_id)))


def one_cluster(w: WorkspaceClient, cluster_id: str, login: Login | None = None) -> ClusterSummary:
    """The cluster of that id. Raises ClusterUnknown or WorkspaceError."""
    login = login or Login(profile=w.config.profile or "DEFAULT")
    with clearly(w):
        try:
            return summarise(ask(w, GET, {"cluster_id": cluster_id}), login)
        except NotFound as error:
            raise _unknown(w, cluster_id) from error


def read(w: WorkspaceClient, cluster_id: str) -> ClusterState:
    """All that a snapshot needs to know of the cluster. Raises ClusterUnknown or WorkspaceError."""
    with clearly(w):
        details = _get(w, cluster_id)
        if not details.spark_version:
            raise RuntimeNotStated(
                f"The workspace states no runtime of the cluster {cluster_id}, so it cannot be mirrored.",
                remedy=f"'dbmirror clusters {shlex.quote(w.config.profile or 'DEFAULT')}' lists those that can.",
            )
        return _to_state(details, to_libraries(w.libraries.cluster_status(cluster_id)))


def get_details(w: WorkspaceClient, cluster_id: str) -> ClusterDetails:
    """The SDK's own view of the cluster. Raises ClusterUnknown or WorkspaceError."""
    with clearly(w):
        return _get(w, cluster_id)


def clearly(w: WorkspaceClient) -> AbstractContextManager[None]:
    """What the SDK raises inside becomes a WorkspaceError with one clear sentence."""
    return said_clearly(w.config.host, profile=w.config.profile, auth=w.config.auth_type)


def _get(w: WorkspaceClient, cluster_id: str) -> ClusterDetails:
    try:
        return w.clusters.get(cluster_id)
    except NotFound as error:
        raise _unknown(w, cluster_id) from error


def _unknown(w: WorkspaceClient, cluster_id: str) -> ClusterUnknown:
    return ClusterUnknown(
        f"There is no cluster {cluster_id!r} in {w.config.host}.",
        remedy=f"'dbmirror clusters {shlex.quote(w.config.profile or 'DEFAULT')}' lists them.",
    )


def started_at(details: ClusterDetails) -> str | None:
    """When the cluster started last, `2026-11-20T12:00:00Z`; None where it never did."""
    started = details.last_restarted_time or details.start_time
    return datetime.fromtimestamp(started / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if started else None


def _to_state(details: ClusterDetails, libraries: tuple[ClusterLibrary, ...]) -> ClusterState:
    keys = [parse_public_key(key) for key in details.ssh_public_keys or ()]
    return convert(
        {
            "cluster": to_cluster(details, libraries),
            "state": details.state.value if details.state else "UNKNOWN",
            "state_message": foreign_line(details.state_message or ""),
            "driver_address": _address(details),
            "started_at": started_at(details),
            "start": start_mark(details.as_dict()),
            "ssh_keys": tuple(str(key.fingerprint("")) for key in keys if isinstance(key, HostKey)),
        },
        ClusterState,
    )


def to_cluster(details: ClusterDetails, libraries: tuple[ClusterLibrary, ...]) -> Cluster:
    """The lasting facts of a cluster. Raises ValueError where a text has a form that is not let through."""
    return convert(
        {
            "cluster_id": details.cluster_id,
            # A name may hold anything; the id is what tells clusters apart.
            "cluster_name": foreign_line(details.cluster_name or "", 200) or details.cluster_id,
            "spark_version": details.spark_version,
            "node_type": details.node_type_id,
            "driver_node_type": details.driver_node_type_id,
            "access_mode": details.data_security_mode.value if details.data_security_mode else None,
            "runtime_engine": details.runtime_engine.value if details.runtime_engine else None,
            "docker_image": clean_urls_in(details.docker_image.url or "") if details.docker_image else None,
            "init_scripts": tuple(_destination(script) for script in details.init_scripts or ()),
            "uses_volumes": (details.spark_conf or {}).get(_VOLUMES, "").lower() == "true",
            "uses_ml_runtime": bool(details.use_ml_runtime),
            "libraries": libraries,
        },
        Cluster,
    )


def _destination(script: InitScriptInfo) -> str:
    places = (script.workspace, script.volumes, script.dbfs, script.abfss, script.s3, script.gcs, script.file)
    return next((clean_urls_in(place.destination) for place in places if place is not None), "unknown")


def _address(details: ClusterDetails) -> str | None:
    driver = details.driver
    address = (driver.public_dns or driver.private_ip) if driver else None
    if address and not _HOST.fullmatch(address):
        raise ValueError(f"{address!r} is no address of a driver")
    return address or None
