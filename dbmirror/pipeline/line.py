"""The straight line from a cluster to a published image: the only place where the order of the stages stands."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias, TypeVar

from dbmirror.build.image import Built
from dbmirror.engine.buildx import BuildResult
from dbmirror.engine.images import inspect_image
from dbmirror.errors import DbmirrorError
from dbmirror.lock.mirror_lock import MirrorLock
from dbmirror.mirror_folder.files import is_file_below
from dbmirror.mirror_folder.names import FATES, SNAPSHOT
from dbmirror.parallel import go_on
from dbmirror.pipeline import snapshot_stage, stages
from dbmirror.pipeline.mirror import Mirror
from dbmirror.pipeline.publish_stage import Published, publish_image, write_sbom_file
from dbmirror.publish.destinations import Destination
from dbmirror.snapshot import Snapshot
from dbmirror.verify.model import Report

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How far a run goes, and from where."""

    frozen: bool = False
    """Begin with the snapshot and the lock in the mirror's folder: no workspace, no driver, no index."""
    destinations: tuple[Destination, ...] = ()
    """Where the image is pushed to once it is verified."""
    allow_unverified: bool = False
    """Push it also where it did not pass."""
    replace_tag: bool = False
    move_tag: bool = False
    sbom: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A mirror whose files are made: what is left is to build it. A dry run ends here, with the lock."""

    snapshot: Snapshot
    lock: MirrorLock
    before: MirrorLock | None = None
    """The lock that the last image was built with; None where there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A mirror that went all the way. Its report may still say that the image is not what it should be."""

    snapshot: Snapshot
    lock: MirrorLock
    before: MirrorLock | None = None
    """As in Prepared."""
    built: Built
    result: BuildResult
    report: Report
    published: Published
    sbom: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A mirror that did not, and why; the others went on."""

    error: DbmirrorError


Image: TypeAlias = tuple[Built, BuildResult]
Build: TypeAlias = Callable[[Mapping[str, Mirror], Mapping[str, Prepared]], Mapping[str, Image | Failed]]
"""Builds the images of prepared mirrors, by the mirrors' names."""


class Each(Protocol):
    """Does one stage for each of several mirrors. What a mirror's stage raises may be its outcome."""

    def __call__(self, stage: Callable[[str], T], names: Collection[str]) -> Mapping[str, T | Failed]:
        """What `stage` gives for each of `names`, or why it gave nothing."""


def in_turn(stage: Callable[[str], T], names: Collection[str]) -> Mapping[str, T | Failed]:
    """What `stage` gives for each of `names`, one after the other; the first error ends it."""
    return {name: stage(name) for name in names}


def build_each(mirrors: Mapping[str, Mirror], prepared: Mapping[str, Prepared]) -> Mapping[str, Image | Failed]:
    """The image of each mirror, one after the other. Raises BuildFailed, EngineError."""
    return {name: stages.build(mirrors[name], ready.lock) for name, ready in prepared.items()}


def run(
    mirrors: Mapping[str, Mirror], wanted: Wanted = Wanted(), *, each: Each = in_turn, build: Build = build_each
) -> dict[str, Prepared | Finished | Failed]:
    """From each mirror's cluster to its verified image, published where that is wanted; a dry run ends with the lock.

    `each` says how several mirrors go side by side and what an error of one of them does, `build` how their images are
    built. Raises what the stages raise, as `each` lets it through.
    """
    outcomes: dict[str, Prepared | Finished | Failed] = {}
    outcomes |= each(lambda name: prepare(mirrors[name], wanted), mirrors)
    if any(mirror.dry_run for mirror in mirrors.values()):
        return outcomes
    ready = {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, Prepared)}
    images = build(mirrors, ready)
    outcomes |= each(lambda name: finish(mirrors[name], ready[name], images[name], wanted), images)
    return outcomes


def run_one(mirror: Mirror, wanted: Wanted = Wanted()) -> Prepared | Finished:
    """The line of one mirror. Raises what its stages raise."""
    outcome = run({mirror.name: mirror}, wanted)[mirror.name]
    assert not isinstance(outcome, Failed)  # noqa: S101 - `in_turn` lets errors through
    return outcome


def wanted_for_lab(mirror: Mirror) -> Wanted | None:
    """How far back the line begins that makes the image of the mirror's lab; None where the engine has that image.

    Without a snapshot or a lock it begins at the cluster. Raises LockError, SnapshotError where a file is damaged,
    EngineError.
    """
    if not all(is_file_below(mirror.folder, name) for name in (SNAPSHOT, FATES)):
        return Wanted()
    tag = mirror.tag(mirror.lock())
    return Wanted(frozen=True) if inspect_image(tag) is None else None


def prepare(mirror: Mirror, wanted: Wanted) -> Prepared:
    """The first half of the line: snapshot, lock, and the files of image and lab."""
    go_on()
    snapshot = mirror.snapshot() if wanted.frozen else snapshot_stage.take_snapshot(mirror)
    go_on()
    before = stages.lock_built_last(mirror)
    lock = stages.committed_lock(mirror) if wanted.frozen else stages.make_lock(mirror, snapshot)
    go_on()
    if not mirror.dry_run:
        stages.render_files(mirror, lock)
    return Prepared(snapshot=snapshot, lock=lock, before=before)


def finish(mirror: Mirror, prepared: Prepared, image: Image | Failed, wanted: Wanted) -> Finished:
    """The second half: the image verified, and published where that is wanted. Raises what failed the build."""
    if isinstance(image, Failed):
        raise image.error
    (built, result), lock, snapshot = image, prepared.lock, prepared.snapshot
    go_on()
    report = stages.verify_image(mirror, built, lock, snapshot)
    go_on()
    goes = bool(wanted.destinations) and (report.passed or wanted.allow_unverified)
    published = Published()
    if goes:
        published = publish_image(
            mirror,
            built,
            wanted.destinations,
            allow_unverified=wanted.allow_unverified,
            replace_tag=wanted.replace_tag,
            move_tag=wanted.move_tag,
        )
    sbom = write_sbom_file(mirror, built, lock, snapshot, report=report, published=published) if wanted.sbom else None
    return Finished(
        snapshot=snapshot,
        lock=lock,
        before=prepared.before,
        built=built,
        result=result,
        report=report,
        published=published,
        sbom=sbom,
    )
