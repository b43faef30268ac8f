"""The lab's lock: taken over where this machine made it, else made from the indexes and the image's own apt sources."""

from __future__ import annotations

from msgspec import structs

from dbmirror.clones.own_records import Kind, is_own, remember
from dbmirror.engine.images import ensure_image
from dbmirror.fetch.store import Store
from dbmirror.files import canonical_json
from dbmirror.lock.debs.archives import client_of_archives
from dbmirror.lock.debs.lab import LabDebs, choose_debs, serve
from dbmirror.lock.lab import STAGE, LabLock, lock_lab, read_lab_lock, still_holds, write_lab_lock
from dbmirror.lock.mirror_lock import MirrorLock
from dbmirror.lock.python.index import Index
from dbmirror.pipeline.mirror import Mirror
from dbmirror.render.lab_files import lab_packages, lab_requirements


def known_lab_lock(mirror: Mirror, lock: MirrorLock) -> LabLock | None:
    """The lab's lock in the mirror's folder, where it is one for `lock`; whoever made it."""
    known = read_lab_lock(mirror.folder)
    if known is None or not still_holds(known, lab_requirements(lock.runtime), target=lock.python.target):
        return None
    packages = lab_packages(lock.python)
    if known.debs is None or not serve(known.debs, packages, image=mirror.tag(lock), base=lock.python.base.reference):
        return None
    return known


def make_lab_lock(mirror: Mirror, lock: MirrorLock) -> LabLock:
    """Which files the lab's images are made from: the lock that is there, where it is right, else a new one, written.

    A wheel is one of those that dbmirror was released with, whoever wrote the lock. What is installed as root is not
    taken from a lock that came with the repository: Debian packages count where this machine chose them, for these very
    images. Files of an index that is none of this user's may be out of reach: they are looked up anew, too.
    Raises UsageError where the mirror's image is not there, LockError, IndexUnreachable, AptUnavailable.
    """
    images = (mirror.built().image_id, ensure_image(lock.python.base.reference, observer=mirror.observer).image_id)
    known = known_lab_lock(mirror, lock)
    own = known is not None and is_own(Kind.LAB_LOCK, _record(known, images))
    if known is not None and own and known.indexes() <= set(mirror.indexes.urls):
        return known
    mirror.observer.started(STAGE)
    with Index(mirror.indexes, ca_bundle=mirror.ca_bundle) as index:
        made = lock_lab(
            lab_requirements(lock.runtime),
            target=lock.python.target,
            index=index,
            previous=read_lab_lock(mirror.folder),
        )
    debs = known.debs if known is not None and own else _choose_debs(mirror, lock, images)
    made = structs.replace(made, debs=debs)
    write_lab_lock(made, mirror.folder)
    remember(Kind.LAB_LOCK, _record(made, images))
    mirror.observer.finished(STAGE, f"{made.count()} files")
    return made


def _choose_debs(mirror: Mirror, lock: MirrorLock, images: tuple[str, str]) -> LabDebs:
    image, base = images
    with (
        client_of_archives(mirror.indexes.internal_hosts, ca_bundle=mirror.ca_bundle) as client,
        Store() as store,
    ):
        chosen = choose_debs(lab_packages(lock.python), image=image, base=base, client=client, store=store)
    # By their names, which are the same on every machine.
    return structs.replace(chosen, image=mirror.tag(lock), base=lock.python.base.reference)


def _record(lock: LabLock, images: tuple[str, str]) -> bytes:
    return canonical_json({"lock": lock, "images": images})
