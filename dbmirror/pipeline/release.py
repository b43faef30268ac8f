"""The end of the line: a mirror's verified image in registries, what to do with it, and its bill of materials."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dbmirror.build.foundation import Built, built_here
from dbmirror.lock.mirror_lock import MirrorLock
from dbmirror.mirror_folder.files import write_below
from dbmirror.mirror_folder.names import DEPLOY, PUSHED
from dbmirror.pipeline.line import Pipeline
from dbmirror.publish.gate import Destination, Pushed, find_destinations, publish, require_built_here, require_verified
from dbmirror.render.deployment import PullSecret, render_deployment
from dbmirror.snapshot import Snapshot
from dbmirror.verify.model import Outcome, Report


def destinations(pipeline: Pipeline, names: Sequence[str], *, password: str | None = None) -> tuple[Destination, ...]:
    """The registries of `names`, each with a credential that it accepts. Raises TargetError, RegistryError."""
    registries = pipeline.loaded.config.registries
    return find_destinations(names, registries, mirror=pipeline.name, password=password, observer=pipeline.observer)


def push(
    pipeline: Pipeline,
    built: Built,
    to: Sequence[Destination],
    *,
    allow_unverified: bool = False,
    replace: bool = False,
) -> tuple[Pushed, ...]:
    """The built image in every destination, under its own tag; the record is written.

    Raises NotBuiltHere, NotVerified where the gate does not let it pass.
    """
    verified = pass_gate(pipeline, built, allow_unverified=allow_unverified)
    if not verified:
        pipeline.observer.warn(f"{built.tags[0]} is pushed without having passed verification, as asked.")
    return publish(
        built,
        to,
        tag=built.tags[0].rpartition(":")[2],
        verified=verified,
        record=pipeline.folder / PUSHED,
        replace=replace,
        observer=pipeline.observer,
    )


def pass_gate(pipeline: Pipeline, built: Built, *, allow_unverified: bool = False) -> bool:
    """Whether this machine built this very image of the mirror's lock, verified it, and it passed.

    An image of which only a report from elsewhere speaks is verified first. Raises NotBuiltHere, NotVerified where
    something of it does not hold, unless that is allowed.
    """
    report = None
    if not allow_unverified:
        require_built_here(built, mirror=pipeline.name, lock=pipeline.lock().digest)
        report = _judgement(pipeline, built)
    elif built_here(built):
        report = pipeline.report()
    return require_verified(built, report, mirror=pipeline.name, allow_unverified=allow_unverified)


def _judgement(pipeline: Pipeline, built: Built) -> Report | None:
    """What this machine says of the image: at once where it verified it, else after it did, where a report asks for it.

    None where there is no report of this image at all.
    """
    claimed = pipeline.claimed_report()
    if claimed is None or (claimed.image_id, claimed.lock) != (built.image_id, built.lock):
        return None
    if pipeline.report() is not None and pipeline.still_holds(claimed, built):
        return claimed
    return pipeline.verify(built, pipeline.lock(), pipeline.snapshot())


def deploy(pipeline: Pipeline, snapshot: Snapshot, pushed: Sequence[Pushed]) -> tuple[Path, ...]:
    """What to do with a pushed image: files for the Clusters API, Terraform and asset bundles, in `deploy/`.

    With several registries they name the first. Raises DeploymentRefused where the platform takes no image on such a
    cluster (rule L25).
    """
    first, report = pushed[0], pipeline.report()
    has_virtualenv = report is None or any(f.rule == "L07" and f.outcome is Outcome.PASSED for f in report.findings)
    files = render_deployment(
        snapshot.cluster,
        mirror=pipeline.name,
        reference=first.reference,
        digest=first.digest,
        pull_secret=PullSecret.for_registry(first.registry) if first.needs_login else None,
        driver_nfs=has_virtualenv,
    )
    # Only these files: the folder may hold Terraform's state, too.
    write_below(pipeline.folder, {f"{DEPLOY}/{name}": content for name, content in files.items()})
    return tuple(pipeline.folder / DEPLOY / name for name in files)


def write_bill(
    pipeline: Pipeline, built: Built, lock: MirrorLock, snapshot: Snapshot, pushed: Sequence[Pushed] = ()
) -> Path:
    """The bill of materials of the built image, in the mirror's folder."""
    # The library takes 0.7 s to import, and few runs need it.
    from dbmirror.publish.sbom.write import write_sbom  # noqa: PLC0415

    report = pipeline.report()
    return write_sbom(
        pipeline.folder,
        mirror=pipeline.name,
        lock=lock,
        snapshot=snapshot,
        built=built,
        digest=pushed[0].digest if pushed else None,
        r_failed=report.r_failed if report is not None and report.image_id == built.image_id else (),
    )
