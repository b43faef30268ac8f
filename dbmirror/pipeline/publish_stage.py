"""The end of the line: through the gate to the registries, and what stands beside an image that went there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dbmirror.build.image import Built, built_here
from dbmirror.lock.mirror_lock import MirrorLock
from dbmirror.mirror_folder.names import PUSHED
from dbmirror.pipeline.mirror import Mirror
from dbmirror.pipeline.stages import verify_image
from dbmirror.publish.deployment_files import write_deployment
from dbmirror.publish.destinations import Destination, Pushed, find_destinations, push_to_all
from dbmirror.publish.gate import require_built_here, require_verified
from dbmirror.publish.moving_tags import require_may_move
from dbmirror.render.deployment import DeploymentRefused
from dbmirror.snapshot import Snapshot
from dbmirror.verify.model import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Where an image went."""

    pushed: tuple[Pushed, ...] = ()
    deployment: tuple[Path, ...] = ()
    """Files that say what to do with it; none where the platform takes no image on such a cluster."""


def destinations(mirror: Mirror, names: Sequence[str], *, password: str | None = None) -> tuple[Destination, ...]:
    """The registries `names`, each with a credential that it accepts; raises what `find_destinations` raises."""
    return find_destinations(
        names,
        mirror.loaded,
        mirror=mirror.name,
        password=password,
        ca_bundle=mirror.ca_bundle,
        ask=mirror.questions.claim,
        keep=not mirror.dry_run,
        observer=mirror.observer,
    )


def publish_image(
    mirror: Mirror,
    built: Built,
    to: Sequence[Destination],
    *,
    allow_unverified: bool = False,
    replace_tag: bool = False,
    move_tag: bool = False,
) -> Published:
    """The built image in every destination, under its own tag, and the files that say what to do with it.

    `replace_tag` lets its own tag name another image than before, `move_tag` a tag of `also_tag` leave an image that is
    none of the mirror. Raises NotBuiltHere, NotVerified where the gate does not let it pass, NotAgreed where such a tag
    names somebody else's image and the user did not say that it may move. Where the platform takes no image on such a
    cluster, there is a warning in place of the files: the push stands.
    """
    verified = pass_gate(mirror, built, allow_unverified=allow_unverified)
    if not verified:
        mirror.observer.warn(f"{built.tags[0]} is pushed without having passed verification, as asked.")
    also_tags = mirror.section.also_tag
    if also_tags and not verified:
        mirror.observer.warn(f"{', '.join(also_tags)}: no moving tag is let name an image that did not pass.")
        also_tags = ()
    pushed = push_to_all(
        built,
        to,
        tag=built.tags[0].rpartition(":")[2],
        mirror=mirror.name,
        verified=verified,
        record=mirror.folder / PUSHED,
        also_tags=also_tags,
        may_move=(lambda *_: None)
        if move_tag
        else partial(require_may_move, root=mirror.loaded.root, ask=mirror.questions.claim),
        replace=replace_tag,
        observer=mirror.observer,
    )
    report = mirror.report()
    if report is not None and report.purpose == "lab" and report.boot_obstacles:
        mirror.observer.note("No files for a cluster are written: the mirror is for the lab, its image cannot boot.")
        return Published(pushed=pushed)
    try:
        cluster = mirror.snapshot().cluster
        files = write_deployment(mirror.folder, cluster, pushed, mirror=mirror.name, report=report)
    except DeploymentRefused as refusal:
        mirror.observer.warn(f"{refusal.message} {refusal.remedy}")
        files = ()
    return Published(pushed=pushed, deployment=files)


def pass_gate(mirror: Mirror, built: Built, *, allow_unverified: bool = False) -> bool:
    """Whether this machine built this very image of the mirror's lock, verified it, and it passed.

    An image of which only a report from elsewhere speaks is verified first. Raises NotBuiltHere, NotVerified where
    something of it does not hold, unless that is allowed.
    """
    report = None
    if not allow_unverified:
        require_built_here(built, mirror=mirror.name, lock=mirror.lock().digest)
        report = _judgement(mirror, built)
    elif built_here(built):
        report = mirror.report()
    return require_verified(built, report, mirror=mirror.name, allow_unverified=allow_unverified)


def write_sbom_file(
    mirror: Mirror, built: Built, lock: MirrorLock, snapshot: Snapshot, *, report: Report, published: Published
) -> Path:
    """The SBOM of the built image, in the mirror's folder."""
    # The library takes 0.7 s to import, and few runs need it.
    from dbmirror.publish.sbom.sbom_file import write_sbom  # noqa: PLC0415

    return write_sbom(
        mirror.folder,
        mirror=mirror.name,
        lock=lock,
        snapshot=snapshot,
        built=built,
        digest=published.pushed[0].digest if published.pushed else None,
        r_failed=report.r_failed,
    )


def _judgement(mirror: Mirror, built: Built) -> Report | None:
    """What this machine says of the image: at once where it verified it, else after it did, where a report asks for it.

    None where there is no report of this image at all.
    """
    claimed = mirror.claimed_report()
    if claimed is None or (claimed.image_id, claimed.lock) != (built.image_id, built.lock):
        return None
    if mirror.report() is not None and mirror.still_holds(claimed, built):
        return claimed
    return verify_image(mirror, built, mirror.lock(), mirror.snapshot())
