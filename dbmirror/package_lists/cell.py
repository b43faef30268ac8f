"""What a notebook cell of dbmirror showed, as a snapshot: the inventory is as by SSH, and the notebook knows more."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec

from dbmirror import __version__
from dbmirror.foreign_text.decoding import convert
from dbmirror.foreign_text.redaction import foreign_line
from dbmirror.inventory.model import UNKNOWN, Inventory
from dbmirror.inventory.pasted import LARGEST, Pasted, PasteUnreadable, is_of_a_cell, read_pasted
from dbmirror.package_lists.as_snapshot import Listing
from dbmirror.snapshot import Cluster, Snapshot, Taken

_TAGS = {
    "cluster_id": "clusterId",
    "cluster_name": "clusterName",
    "spark_version": "sparkVersion",
    "node_type": "clusterNodeType",
    "driver_node_type": "driverNodeType",
    "access_mode": "dataSecurityMode",
}

_NEVER_UNKNOWN = frozenset({"cluster_name", "uses_ml_runtime", "unknown"})


def cell_output(file: Path) -> Pasted | None:
    """What a cell showed, out of `file`; None where that is something else. Raises PasteUnreadable, InventoryError."""
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except OSError:
        return None
    if not is_of_a_cell(content):
        return None
    if len(content) > LARGEST:
        raise PasteUnreadable(f"{file} has more than {LARGEST >> 20} MiB.", remedy="Save the cell's output alone.")
    return read_pasted(content, name=file.name)


def cell_listing(shown: Pasted, *, mirror: str, source: str, at: str) -> Listing:
    """The snapshot of what a cell showed. What the notebook could not say of its cluster is marked unknown."""
    stated = {name: shown.cluster[tag] for name, tag in _TAGS.items() if shown.cluster.get(tag)}
    stated.setdefault("cluster_id", shown.cluster.get("DB_CLUSTER_ID", ""))
    stated.setdefault("spark_version", _runtime(shown))
    stated = {name: text for name, value in stated.items() if (text := foreign_line(value, 200))}
    cluster: dict[str, Any] = {
        "cluster_id": UNKNOWN,
        "cluster_name": mirror,
        "spark_version": UNKNOWN,
        **stated,
        "unknown": tuple(
            sorted(
                {each.name for each in fields(Cluster)} - set(stated) - {"cluster_name", "uses_ml_runtime", "unknown"}
            )
        ),
    }
    try:
        converted = convert(cluster, Cluster)
    except msgspec.ValidationError as error:
        raise PasteUnreadable(f"What the cell says of its cluster is not valid: {error}.") from error
    taken = Taken(at=at, host=source, dbmirror=__version__)
    return Listing(snapshot=Snapshot(cluster=converted, inventory=shown.inventory, taken=taken), of_a_cell=True)


def _runtime(shown: Pasted) -> str:
    """The runtime's key in the Clusters API, put together of what the environment says; empty where it says less."""
    inventory: Inventory = shown.inventory
    release = shown.cluster.get("DATABRICKS_RUNTIME_VERSION") or inventory.runtime_version or ""
    scala = shown.cluster.get("SPARK_SCALA_VERSION") or ".".join((inventory.scala_version or "").split(".")[:2])
    return f"{'.'.join(release.split('.')[:2])}.x-scala{scala}" if release and scala else ""
