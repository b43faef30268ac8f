"""The SBOM of a built image, in the mirror's folder."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from dbmirror.build.image import Built
from dbmirror.hosts.container import ContainerHost
from dbmirror.inventory.collect import collect
from dbmirror.lock.mirror_lock import MirrorLock
from dbmirror.mirror_folder.files import write_below
from dbmirror.mirror_folder.names import SBOM
from dbmirror.publish.sbom.cyclonedx import BuiltImage, render_sbom
from dbmirror.snapshot import Snapshot
from dbmirror.verify.model import RFailure
from dbmirror.verify.r_facts import with_failures


def write_sbom(
    folder: Path,
    *,
    mirror: str,
    lock: MirrorLock,
    snapshot: Snapshot,
    built: Built,
    digest: str | None = None,
    r_failed: Collection[RFailure] = (),
) -> Path:
    """Write `sbom.cdx.json` into the mirror's `folder`: CycloneDX 1.6 of the image that was built; the file.

    What the base brought is read from the image, in a container without a network. `digest` is that of the manifest
    in a registry, where the image was pushed; `r_failed` are the packages that it was built without. Raises
    EngineError where the engine no longer has the image, UsageError where the folder cannot be written.
    """
    with ContainerHost(built.image_id) as host:
        inventory = collect(host)
    r = with_failures(lock.r, r_failed) if lock.r is not None and r_failed else None
    image = BuiltImage(tag=built.tags[0], image_id=built.image_id, digest=digest, inventory=inventory, r=r)
    path = folder / SBOM
    write_below(folder, {SBOM: render_sbom(lock, snapshot, mirror=mirror, image=image)})
    return path
