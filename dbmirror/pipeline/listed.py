"""A mirror's snapshot from a list of packages or a runtime, where no cluster is read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dbmirror.errors import RemoteError, UsageError
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
    listing = with_stated_cluster(mirror, listing)
    _require_same_cluster(mirror, listing)
    snapshot = listing.snapshot
    for note in listing.notes:
        observer.note(note)
    found = snapshot.inventory
    unknown = sorted({*snapshot.cluster.unknown, *found.unknown})
    if unknown:
        words = ", ".join(name.replace("_", " ") for name in unknown)
        observer.note(f"What this source cannot know is marked unknown in the snapshot: {words}.")
    observer.finished(stage, f"{len(found.distributions)} Python distributions, {snapshot.short_digest}")
    return snapshot


def with_stated_cluster(mirror: Mirror, listing: Listing) -> Listing:
    """The listing of a cell with what the workspace states of its cluster, where a profile leads to that."""
    known = listing.snapshot.cluster
    if not (listing.of_a_cell and known.is_known and mirror.access.profile in profile_names()):
        return listing
    try:
        stated = mirror.access.stated(known.cluster_id)
    except (RemoteError, UsageError) as error:
        note = f"What the workspace states of the cluster, its libraries above all, is not known: {error.message}"
        return replace(listing, notes=(*listing.notes, note))
    return replace(listing, snapshot=replace(listing.snapshot, cluster=stated))


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
