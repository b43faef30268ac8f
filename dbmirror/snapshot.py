"""A snapshot: the inventory of a cluster's driver with the facts of the cluster, in a versioned file with a digest."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from dbmirror.errors import UsageError
from dbmirror.files import canonical_json, digest_of
from dbmirror.foreign_text.decoding import decode_json
from dbmirror.inventory.model import SCHEMA_VERSION, Inventory, Text
from dbmirror.mirror_folder.files import read_below, write_below

_TIME = r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z"


class SnapshotError(UsageError):
    """A snapshot file is missing, unreadable, of another schema version, or was changed by hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterLibrary:
    """One library as the Libraries API states it, whether or not it is installed."""

    kind: Text
    """`pypi`, `whl`, `egg`, `jar`, `maven`, `cran`, `requirements`."""
    specification: Text
    """`simplejson==3.8.0`, a path, `org.jsoup:jsoup:1.7.2`; without credentials."""
    status: Text
    """`INSTALLED`, `FAILED`, `PENDING`, …"""
    messages: tuple[Text, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The facts of a cluster that stay the same while it is the same cluster: no state, no address, no time."""

    cluster_id: Text
    cluster_name: Text
    spark_version: Text
    """`15.4.x-scala2.12`, `17.3.x-cpu-ml-scala2.13`, …"""
    node_type: Text | None = None
    driver_node_type: Text | None = None
    access_mode: Text | None = None
    """data_security_mode of the Clusters API: `SINGLE_USER`, `USER_ISOLATION`, …"""
    runtime_engine: Text | None = None
    """`PHOTON` or `STANDARD`."""
    docker_image: Text | None = None
    """URL of the container image that the cluster itself runs on, if it does."""
    init_scripts: tuple[Text, ...] = ()
    """Where the cluster's init scripts lie, in the order in which they run."""
    uses_volumes: bool = False
    """The Spark conf `spark.databricks.unityCatalog.volumes.enabled` is true."""
    uses_ml_runtime: bool = False
    """The field use_ml_runtime of the Clusters API, which makes a standard spark_version a machine learning one."""
    libraries: tuple[ClusterLibrary, ...] = ()
    unknown: tuple[Text, ...] = ()
    """The fields above that the snapshot's source cannot know, sorted; empty where a workspace stated them."""

    @property
    def is_known(self) -> bool:
        """Whether the snapshot is of a cluster, and not of a list of packages or of a runtime alone."""
        return "cluster_id" not in self.unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """When and how a snapshot was taken. Outside the digest."""

    at: Annotated[str, Meta(pattern=_TIME)]
    """UTC, `2026-11-20T12:00:00Z`."""
    host: Text
    dbmirror: Text
    """Version of the program."""

    def __post_init__(self) -> None:
        # What is raised here becomes a ValidationError where a file is read.
        datetime.datetime.fromisoformat(self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a cluster is made of. `digest` covers `cluster` and `inventory`, without the environment's variables."""

    cluster: Cluster
    inventory: Inventory
    taken: Taken
    schema: int = SCHEMA_VERSION

    @property
    def digest(self) -> str:
        """`sha256:<hex>` over the cluster and the inventory: equal for the same state of the same cluster.

        How far the installation of a library has come is no part of it: what is installed says the inventory. The
        environment's variables are none either: a notebook on the driver has others than a session of SSH.
        """
        libraries = tuple(replace(library, status="", messages=()) for library in self.cluster.libraries)
        cluster = replace(self.cluster, libraries=libraries)
        lasting = replace(self.inventory, environment_variables=(), environment_values=())
        return digest_of({"schema": self.schema, "cluster": cluster, "inventory": lasting})

    @property
    def short_digest(self) -> str:
        """The first 12 hexadecimal digits, for tags and messages."""
        return self.digest.removeprefix("sha256:")[:12]

    def encode(self) -> bytes:
        """The file's content, canonical."""
        document: dict[str, Any] = {
            "schema": self.schema,
            "digest": self.digest,
            "taken": self.taken,
            "cluster": self.cluster,
            "inventory": self.inventory,
        }
        return canonical_json(document)


def now() -> str:
    """The time as a snapshot states when it was taken: UTC, `2026-11-20T12:00:00Z`."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    schema: int
    digest: str
    taken: Taken
    cluster: Cluster
    inventory: Inventory


def read_snapshot(path: Path) -> Snapshot:
    """The snapshot in the file `path`, every name and version checked against its grammar.

    Raises SnapshotError where there is none, it is damaged or hostile, or its digest is not that of its content.
    """
    try:
        content = read_below(path.parent, path.name)
    except FileNotFoundError:
        raise SnapshotError(
            f"There is no snapshot at {path}.", remedy="Take one with 'dbmirror snapshot MIRROR'."
        ) from None
    except OSError as error:
        raise SnapshotError(f"{path} cannot be read: {error.strerror or error}.") from error
    try:
        version = decode_json(content, dict[str, Any]).get("schema")
        if version != SCHEMA_VERSION:
            raise SnapshotError(
                f"{path} has schema version {version!r}; this dbmirror reads version {SCHEMA_VERSION}.",
                remedy="Take it again with 'dbmirror snapshot MIRROR'.",
            )
        document = decode_json(content, _Document)
    except msgspec.DecodeError as error:
        raise SnapshotError(
            f"{path} is not a valid snapshot: {error}.", remedy="Take it again with 'dbmirror snapshot MIRROR'."
        ) from error
    snapshot = Snapshot(cluster=document.cluster, inventory=document.inventory, taken=document.taken)
    if snapshot.digest != document.digest:
        raise SnapshotError(
            f"{path} was changed by hand: its content does not match the digest in it.",
            remedy="Restore the file from version control, or take the snapshot again.",
        )
    return snapshot


def write_snapshot(snapshot: Snapshot, path: Path) -> bool:
    """Write `snapshot` unless `path` already holds one of the same digest; True if the file changed."""
    try:
        if read_snapshot(path).digest == snapshot.digest:
            return False
    except SnapshotError:
        pass
    return bool(write_below(path.parent, {path.name: snapshot.encode()}))
