"""Clusters of a workspace: which there are, one by name, and what a snapshot needs to know of it."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound
from databricks.sdk.service.compute import ClusterDetails, InitScriptInfo

from dbmirror.foreign_text.clean_urls import clean_urls_in
from dbmirror.foreign_text.decoding import convert
from dbmirror.foreign_text.redaction import foreign_line
from dbmirror.hosts.known_hosts import HostKey
from dbmirror.inventory.model import Text
from dbmirror.snapshot import Cluster, ClusterLibrary
from dbmirror.workspace.errors import ClusterAmbiguous, ClusterUnknown, said_clearly
from dbmirror.workspace.libraries import to_libraries
from dbmirror.workspace.mirrorable import ClusterSummary, summarise
from dbmirror.workspace.ssh_keys import parse_public_key

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
    ssh_keys: tuple[Text, ...]
    """Fingerprints of the keys that log in, `SHA256:… (ED25519)`."""


def list_clusters(w: WorkspaceClient) -> tuple[ClusterSummary, ...]:
    """All clusters that the user sees, sorted by name and id. Raises WorkspaceError."""
    with _clearly(w):
        found = [summarise(details, profile=w.config.profile) for details in w.clusters.list()]
    return tuple(sorted(found, key=lambda cluster: (cluster.cluster_name.lower(), cluster.cluster_id)))


def find_cluster(w: WorkspaceClient, name_or_id: str | None, default: str | None = None) -> ClusterSummary:
    """The cluster called so, or with that id; else the `default` (the profile's cluster_id); else the only one.

    The only one is the one that can be mirrored, running or not; of several the one that runs. Raises ClusterUnknown or
    ClusterAmbiguous with the choices, or WorkspaceError.
    """
    wanted = name_or_id or default
    if wanted and re.fullmatch(r"\d{4}-\d{6}-[A-Za-z0-9]+", wanted):
        try:
            with _clearly(w):
                return summarise(_get(w, wanted), profile=w.config.profile)
        except ClusterUnknown:
            # It may still be a name of that form.
            pass
    clusters = list_clusters(w)
    if wanted:
        meant = [c for c in clusters if wanted in {c.cluster_id, c.cluster_name}]
        if not meant:
            raise ClusterUnknown(f"There is no cluster {wanted!r} in {w.config.host}.", remedy=_choices(clusters))
    else:
        meant = [c for c in clusters if c.can_snapshot]
        if not meant:
            raise ClusterUnknown(
                f"There is no cluster in {w.config.host} that can be mirrored.",
                remedy=f"'dbmirror clusters {w.config.profile}' says why of each.",
            )
    if len(meant) > 1:
        meant = [c for c in meant if not c.needs_start] or meant
    if len(meant) > 1:
        what = f"the name {wanted!r}" if wanted else "being able to be mirrored"
        raise ClusterAmbiguous(f"Several clusters of {w.config.host} share {what}.", remedy=_choices(meant))
    return meant[0]


def read(w: WorkspaceClient, cluster_id: str) -> ClusterState:
    """All that a snapshot needs to know of the cluster. Raises ClusterUnknown or WorkspaceError."""
    with _clearly(w):
        details = _get(w, cluster_id)
        return _to_state(details, to_libraries(w.libraries.cluster_status(cluster_id)))


def get_details(w: WorkspaceClient, cluster_id: str) -> ClusterDetails:
    """The SDK's own view of the cluster. Raises ClusterUnknown or WorkspaceError."""
    with _clearly(w):
        return _get(w, cluster_id)


def _clearly(w: WorkspaceClient) -> AbstractContextManager[None]:
    return said_clearly(w.config.host, profile=w.config.profile, auth=w.config.auth_type)


def _get(w: WorkspaceClient, cluster_id: str) -> ClusterDetails:
    try:
        return w.clusters.get(cluster_id)
    except NotFound as error:
        raise ClusterUnknown(
            f"There is no cluster {cluster_id!r} in {w.config.host}.",
            remedy=f"'dbmirror clusters {w.config.profile}' lists them.",
        ) from error


def _to_state(details: ClusterDetails, libraries: tuple[ClusterLibrary, ...]) -> ClusterState:
    started = details.last_restarted_time or details.start_time
    keys = [parse_public_key(key) for key in details.ssh_public_keys or ()]
    return convert(
        {
            "cluster": to_cluster(details, libraries),
            "state": details.state.value if details.state else "UNKNOWN",
            "state_message": foreign_line(details.state_message or ""),
            "driver_address": _address(details),
            "started_at": datetime.fromtimestamp(started / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            if started
            else None,
            "ssh_keys": tuple(str(key.fingerprint("")) for key in keys if isinstance(key, HostKey)),
        },
        ClusterState,
    )


def to_cluster(details: ClusterDetails, libraries: tuple[ClusterLibrary, ...]) -> Cluster:
    """The lasting facts of a cluster. Raises ValueError where a text has a form that is not let through."""
    return convert(
        {
            "cluster_id": details.cluster_id,
            "cluster_name": details.cluster_name or details.cluster_id,
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


def _choices(clusters: tuple[ClusterSummary, ...] | list[ClusterSummary]) -> str:
    shown = [f"{c.cluster_name} ({c.cluster_id}, {c.state.lower()})" for c in clusters[:10]]
    more = f" and {len(clusters) - 10} more" if len(clusters) > 10 else ""
    return f"Choose one by its id: {', '.join(shown)}{more}." if shown else "The workspace has no cluster that you see."
