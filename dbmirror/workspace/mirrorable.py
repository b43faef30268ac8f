"""Whether a cluster can be mirrored, and whether an image made of it can run on it.

The platform's own obstacles (rule L25: access modes, runtimes, nodes) stand in runtimes/cluster_obstacles.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from databricks.sdk.service.compute import ClusterDetails, ClusterSource, State

from dbmirror.foreign_text.decoding import convert
from dbmirror.foreign_text.redaction import foreign_line
from dbmirror.inventory.model import Text
from dbmirror.runtimes.cluster_obstacles import obstacles

_RUNNING = {State.RUNNING, State.RESIZING}
_ON_THE_WAY = {State.PENDING, State.RESTARTING}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSummary:
    """A cluster in a list."""

    cluster_id: Text
    cluster_name: Text
    spark_version: Text
    node_type: Text | None
    access_mode: Text | None
    state: Text
    source: Text | None
    """Who made it: `UI`, `API`, `JOB`, `PIPELINE`, …"""
    cannot_snapshot: tuple[Text, ...]
    """Why it cannot be read; empty where it can, perhaps after a start."""
    cannot_run_image: tuple[Text, ...]
    """Why no custom image can run on it (rule L25 of the DCS contract); its snapshot and a lab image are possible."""
    needs_start: bool
    """It must be started first (`--start`)."""

    @property
    def can_snapshot(self) -> bool:
        """It can be mirrored, perhaps after a start."""
        return not self.cannot_snapshot


def summarise(details: ClusterDetails, *, profile: str | None = None) -> ClusterSummary:
    """What `details` say of a cluster that is read with `profile`.

    Raises ValueError where a text has a form that is not let through.
    """
    return convert(
        {
            "cluster_id": details.cluster_id,
            "cluster_name": details.cluster_name or details.cluster_id,
            "spark_version": details.spark_version,
            "node_type": details.node_type_id,
            "access_mode": details.data_security_mode.value if details.data_security_mode else None,
            "state": details.state.value if details.state else "UNKNOWN",
            "source": details.cluster_source.value if details.cluster_source else None,
            "cannot_snapshot": _snapshot_obstacles(details, profile),
            "cannot_run_image": image_obstacles(details),
            "needs_start": details.state not in _RUNNING,
        },
        ClusterSummary,
    )


def _snapshot_obstacles(details: ClusterDetails, profile: str | None) -> tuple[str, ...]:
    found: list[str] = []
    made_by = details.cluster_source
    if details.state is State.ERROR:
        found.append(f"it is in state ERROR: {foreign_line(details.state_message or 'no reason given', 300)}")
    if details.state not in _RUNNING | _ON_THE_WAY and made_by not in {None, ClusterSource.UI, ClusterSource.API}:
        found.append(f"it belongs to a {made_by.value.lower() if made_by else ''} and cannot be started by hand")
    driver = details.driver
    if details.state in _RUNNING and not (driver and (driver.public_dns or driver.private_ip)):
        found.append("the workspace states no address of its driver (serverless, or not yet up)")
    if not details.ssh_public_keys:
        found.append(
            f"it has no SSH key: 'dbmirror ssh setup {profile or 'DEFAULT'}' adds one, or use the tunnel of "
            "'databricks ssh setup'"
        )
    return tuple(found)


def image_obstacles(details: ClusterDetails) -> tuple[str, ...]:
    """Why Databricks Container Services cannot run an image on this cluster as it is configured (rule L25)."""
    found = obstacles(
        spark_version=details.spark_version or "",
        node_types=(details.node_type_id, details.driver_node_type_id),
        access_mode=details.data_security_mode.value if details.data_security_mode else None,
        use_ml_runtime=bool(details.use_ml_runtime),
    )
    return tuple(foreign_line(obstacle.reason, 300) for obstacle in found)
