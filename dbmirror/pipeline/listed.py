"""A mirror's snapshot from a list of packages or a runtime, where no cluster is read."""

from __future__ import annotations

from pathlib import Path

from dbmirror.errors import UsageError
from dbmirror.package_lists.as_snapshot import Listing, as_snapshot
from dbmirror.package_lists.reading import read_listing
from dbmirror.pipeline.mirror import Mirror
from dbmirror.runtimes.named import named_runtime
from dbmirror.snapshot import Snapshot, SnapshotError, now
from dbmirror.workspace.profile_file import profile_names


def listed_snapshot(mirror: Mirror, file: Path | None, runtime: str | None) -> Snapshot:
    """The snapshot of the list in `file`, of `runtime`, or of both; what they cannot know is noted.

    Raises UsageError where the mirror is of a cluster, unless it may become one of another; ListUnreadable.
    """
    observer, stage = mirror.observer, "snapshot"
    observer.started(stage)
    named = named_runtime(runtime) if runtime is not None else None
    if file is not None:
        listing = read_listing(file, named, mirror=mirror.name, at=now())
    else:
        listing = as_snapshot(None, named, mirror=mirror.name, source=f"runtime {runtime}", at=now())
    _require_same_cluster(mirror, listing)
    snapshot = listing.snapshot
    for note in listing.notes:
        observer.note(note)
    found = snapshot.inventory
    observer.finished(stage, f"{len(found.distributions)} Python distributions, {snapshot.short_digest}")
    return snapshot


def require_way_to_cluster(mirror: Mirror) -> None:
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


def _require_same_cluster(mirror: Mirror, listing: Listing) -> None:
    try:
        last = mirror.snapshot().cluster
    except SnapshotError:
        return
    new = listing.snapshot.cluster
    if last.is_known and new.cluster_id != last.cluster_id and not mirror.choices.switch_cluster:
        what = f"the cluster {new.cluster_name} ({new.cluster_id})" if new.is_known else "no cluster"
        raise UsageError(
            f"The mirror {mirror.name} is of the cluster {last.cluster_name} ({last.cluster_id}), and this would make "
            f"it one of {what}.",
            remedy="Name another mirror, or add --switch-cluster if that is meant.",
        )
