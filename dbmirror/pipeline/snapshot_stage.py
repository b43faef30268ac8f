"""The first arrow of the line: from the cluster, a list of packages or a runtime to the mirror's snapshot.

It stands apart from the other stages, whose imports take longer than a snapshot does.
"""

from __future__ import annotations

from dbmirror import __version__
from dbmirror.clones.own_records import Kind, remember
from dbmirror.errors import UsageError
from dbmirror.inventory.collect import collect
from dbmirror.mirror_folder.names import SNAPSHOT
from dbmirror.pipeline.mirror import Mirror
from dbmirror.snapshot import Snapshot, SnapshotError, Taken, now, read_snapshot, write_snapshot
from dbmirror.workspace.profile_file import profile_names


def read_cluster(mirror: Mirror) -> Snapshot:
    """What the cluster is now: workspace facts and one collection on its driver. Writes nothing."""
    _require_way_to_cluster(mirror)
    stage, observer = "snapshot", mirror.observer
    observer.started(stage)
    observer.advanced(stage, "asking the workspace for the cluster", steps=0)
    cluster = mirror.access.settled_cluster
    observer.advanced(stage, "connecting to the driver", steps=0)
    driver = mirror.access.driver
    observer.advanced(stage, "reading what is installed", steps=0)
    inventory = collect(driver)
    taken = Taken(at=now(), host=driver.name, dbmirror=__version__)
    snapshot = Snapshot(cluster=cluster.cluster, inventory=inventory, taken=taken)
    for library in cluster.cluster.libraries:
        if library.status == "FAILED":
            said = f": {' '.join(library.messages)}" if library.messages else "."
            observer.warn(f"The cluster could not install its library {library.kind} {library.specification}{said}")
    found = f"{len(inventory.distributions)} Python distributions, {snapshot.short_digest}"
    observer.finished(stage, f"{found}, by {mirror.access.way}")
    return snapshot


def take_snapshot(mirror: Mirror) -> Snapshot:
    """The mirror's snapshot of the cluster as it is now; the one that is there stays if it is of the same state.

    Where the run names a list of packages or a runtime, the snapshot is of that, and no cluster is asked.
    """
    file, runtime = mirror.choices.source, mirror.choices.runtime
    if file is not None or runtime is not None:
        from dbmirror.pipeline.listed import listed_snapshot  # noqa: PLC0415 - a cluster's needs no reader of lists

        snapshot = listed_snapshot(mirror, file, runtime)
    else:
        snapshot = read_cluster(mirror)
    write_snapshot(snapshot, mirror.folder / SNAPSHOT)
    snapshot = read_snapshot(mirror.folder / SNAPSHOT)
    if file is None:
        # What a list names somebody else may have chosen: a lab of it is asked about.
        remember_snapshot(mirror, snapshot)
    return snapshot


def remember_snapshot(mirror: Mirror, snapshot: Snapshot) -> None:
    """Remember that this machine read `snapshot` from a cluster."""
    if not mirror.dry_run:
        remember(Kind.SNAPSHOT, snapshot.digest.encode())


def _require_way_to_cluster(mirror: Mirror) -> None:
    """Raises UsageError where the mirror's last snapshot is of no cluster, and nothing says which one it would be."""
    try:
        last = mirror.snapshot()
    except SnapshotError:
        return
    section = mirror.section
    told = mirror.choices.cluster or section.cluster or section.profile or mirror.access.profile in profile_names()
    if last.cluster.is_known or told:
        return
    raise UsageError(
        f"The snapshot of {mirror.name} is of {last.taken.host}, and no profile of that name leads to a cluster.",
        remedy="Say again where it is from (--from, --runtime), build it as it is with "
        f"'dbmirror lock {mirror.name}' and 'dbmirror build {mirror.name} --frozen', or name the cluster's profile in "
        "dbmirror.toml.",
    )
