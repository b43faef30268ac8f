"""The tables of a workspace's clusters: which can be mirrored, and for the others why not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from dbmirror.cli.layout import table

if TYPE_CHECKING:
    from dbmirror.workspace.mirrorable import ClusterSummary


def clusters(found: Iterable[ClusterSummary]) -> RenderableType:
    """Which clusters can be mirrored, and for the others why not."""
    return table("CLUSTER", "ID", "STATE", "RUNTIME", "MIRROR", "IMAGE", rows=map(_cluster_row, found))


def numbered_clusters(numbered: Mapping[str, ClusterSummary], found: Iterable[ClusterSummary]) -> RenderableType:
    """The clusters that can be chosen, by their numbers, and then the others of `found` with the reason why not."""
    chosen = {cluster.cluster_id for cluster in numbered.values()}
    rows = [(number, *_cluster_row(cluster)[:5]) for number, cluster in numbered.items()]
    rows += [("", *_cluster_row(cluster)[:5]) for cluster in found if cluster.cluster_id not in chosen]
    return table("", "CLUSTER", "ID", "STATE", "RUNTIME", "MIRROR", rows=rows)


def _cluster_row(cluster: ClusterSummary) -> tuple[str | Text, ...]:
    if cluster.cannot_snapshot:
        mirror = Text("no: " + "; ".join(cluster.cannot_snapshot), style="red")
    else:
        start = ", with --start" if cluster.needs_start else ""
        ways = [f"ssh (host {cluster.ssh_host})" if way == "ssh" and cluster.ssh_host else way for way in cluster.ways]
        if cluster.databricks_ssh and cluster.ssh_host is None:
            ways.append("databricks ssh")
        mirror = Text(f"yes{start}, by {' or '.join(ways)}", style="green")
    image = "; ".join(cluster.cannot_run_image)
    return (
        cluster.cluster_name,
        cluster.cluster_id,
        cluster.state.lower(),
        cluster.spark_version or "-",
        mirror,
        Text(f"cannot run here: {image}", style="yellow") if image else Text("can run here", style="green"),
    )
