"""The arrows of the line: each makes the next value, writes it to the mirror's folder and gives it back."""

from __future__ import annotations

import contextlib
import io
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO

from dbmirror.build.fetched_files import Groups, build_contexts
from dbmirror.build.image import Built, build_image, built_here, read_built
from dbmirror.config import FILE_NAME
from dbmirror.engine.buildx import BuildResult
from dbmirror.errors import UsageError
from dbmirror.fetch.store import Store
from dbmirror.filters.flavour import official_base
from dbmirror.http_client.logins import Logins
from dbmirror.lab.stack import render_files as render_lab_files
from dbmirror.lab.stack import up as start_stack
from dbmirror.lab.status import LabStatus
from dbmirror.lock.archives import read_archives
from dbmirror.lock.base import read_base
from dbmirror.lock.debs.own_sources import archives_of_this_machine
from dbmirror.lock.errors import LockError
from dbmirror.lock.lab import LabLock
from dbmirror.lock.make import lock_mirror, lock_support
from dbmirror.lock.mirror_lock import MirrorLock, read_mirror_lock, write_mirror_lock
from dbmirror.lock.model import CapturedWheel, IndexFile, LockedPackage, UrlFile
from dbmirror.lock.python.lock_files import remove_unnamed
from dbmirror.lock.r.make import r_target
from dbmirror.mirror_folder.files import is_file_below
from dbmirror.mirror_folder.names import BUILT, VERIFICATION
from dbmirror.pipeline.foundations import require_foundations, require_foundations_of, require_own_image
from dbmirror.pipeline.image_context import apt_of, debian_steps_of, image_context
from dbmirror.pipeline.lab_lock import known_lab_lock, make_lab_lock
from dbmirror.pipeline.mirror import Mirror
from dbmirror.pipeline.mirror_filters import find_runtime, flavour_of, select_python, select_r
from dbmirror.pipeline.own_lock import remember_lock, require_own_lock
from dbmirror.render.context import BuildContext
from dbmirror.render.file_groups import build_needs
from dbmirror.render.image import all_file_groups, linked_files
from dbmirror.render.lab import LabFiles
from dbmirror.snapshot import Snapshot
from dbmirror.verify.errors import ReportError
from dbmirror.verify.model import Report
from dbmirror.verify.report import made_here, read_report, remember_report, write_report
from dbmirror.verify.verifier import verifier
from dbmirror.verify.verify import verify


def make_lock(mirror: Mirror, snapshot: Snapshot) -> MirrorLock:
    """One source for each selected package, and a fate for every one that was found."""
    runtime, flavour, previous = find_runtime(mirror, snapshot), flavour_of(mirror, snapshot), previous_lock(mirror)
    sources, kept = mirror.sources, None if mirror.choices.refresh else previous
    base = read_base(
        mirror.choices.base or mirror.section.base or official_base(runtime, flavour), observer=mirror.observer
    )
    named_by = str(mirror.loaded.origin or FILE_NAME)
    require_foundations(mirror, base[0], apt=flavour.has_r, named_by=named_by)
    try:
        r_version = r_target(snapshot.inventory, base[0]).r_version if flavour.has_r else None
        with apt_of(mirror, base[0], r_version=r_version) as apt:
            lock = lock_mirror(
                snapshot,
                selection=select_python(mirror, snapshot),
                r_selection=select_r(mirror, snapshot),
                flavour=flavour,
                runtime=runtime,
                base=base,
                candidates=apt.candidates,
                sources=sources,
                folder=mirror.folder,
                previous=kept,
                observer=mirror.observer,
            )
            python = lock_support(
                lock.python,
                build_needs(lock.python, runtime, flavour=lock.flavour),
                sources=sources,
                folder=mirror.folder,
                previous=kept.python if kept else None,
                observer=mirror.observer,
            )
            lock = replace(lock, python=python)
            steps = debian_steps_of(mirror, lock, runtime)
            lock = replace(lock, debian=apt.lock(steps, previous=kept.debian if kept else None))
    except BaseException:
        # Archives that were fetched for a lock that did not come about.
        remove_unnamed(previous.python if previous else None, mirror.folder)
        raise
    write_mirror_lock(lock, mirror.folder)
    remember_lock(mirror, lock, kept=kept)
    return lock


def committed_lock(mirror: Mirror) -> MirrorLock:
    """The lock in the mirror's folder, for a run that builds it. Raises LockError, and NotAgreed for its base."""
    lock = mirror.lock()
    if not mirror.dry_run:
        require_foundations_of(mirror, lock)
    return lock


def render_files(mirror: Mirror, lock: MirrorLock) -> BuildContext:
    """The files of image and lab; gives back the image's build context."""
    context = _render_image(mirror, lock)
    render_lab(mirror, lock)
    return context


def render_lab(mirror: Mirror, lock: MirrorLock, lab_lock: LabLock | None = None) -> LabFiles:
    """The lab's files, by `lab_lock`, else by the one that is there, where it is still right."""
    cluster = mirror.snapshot().cluster.cluster_id
    return render_lab_files(
        mirror.lab, lock, image=mirror.tag(lock), cluster=cluster, lab_lock=lab_lock or known_lab_lock(mirror, lock)
    )


def build(mirror: Mirror, lock: MirrorLock) -> tuple[Built, BuildResult]:
    """The image of the rendered context."""
    indexes, observer = mirror.indexes, mirror.observer
    with build_contexts(
        {mirror.name: build_files(mirror, lock)},
        indexes=indexes,
        logins=logins(mirror, lock),
        ca_bundle=mirror.ca_bundle,
        observer=observer,
    ) as contexts:
        return build_image(
            mirror.context_folder,
            tags=[mirror.tag(lock)],
            snapshot=lock.snapshot,
            lock=lock.digest,
            build_arguments={"KEEP_GOING": "1"} if mirror.choices.keep_going and lock.r_in_image else {},
            contexts=contexts[mirror.name],
            record=mirror.folder / BUILT,
            observer=observer,
        )


def build_files(mirror: Mirror, lock: MirrorLock) -> Groups:
    """The files that the image of `lock` is built from, in their groups."""
    runtime = find_runtime(mirror, mirror.snapshot())
    return all_file_groups(lock.python, runtime, flavour=lock.flavour, r_lock=lock.r_in_image, debian=lock.debian)


def logins(mirror: Mirror, lock: MirrorLock) -> Logins:
    """The logins of the indexes and R repositories that files of `lock` come from, and the archives of this machine."""
    ours = mirror.indexes.logins().with_those_of(archives_of_this_machine())
    if lock.r_in_image is None:
        return ours
    return ours.with_those_of(mirror.sources.r_repositories(lock.runtime, lock.python.base).logins())


def verify_image(mirror: Mirror, built: Built, lock: MirrorLock, snapshot: Snapshot, *, again: bool = False) -> Report:
    """The built image held against lock, snapshot and contract.

    A report that this machine made of this very image and lock by this very verification is given back unless
    `again`.
    """
    path = mirror.folder / VERIFICATION
    if not again and is_file_below(mirror.folder, VERIFICATION):
        with contextlib.suppress(ReportError):
            known = read_report(path)
            if made_here(known) and mirror.still_holds(known, built):
                mirror.observer.note("This very image was verified before: its report still holds.")
                return known
    with Store() as store:
        report = verify(
            built.image_id,
            lock=lock.python,
            snapshot=snapshot,
            runtime=find_runtime(mirror, snapshot),
            waivers=mirror.section.waive,
            purpose=mirror.section.purpose,
            observer=mirror.observer,
            r_lock=lock.r_in_image,
            flavour=lock.flavour,
            wheel_of=partial(_locked_wheel, mirror, lock, store),
        )
    report = replace(report, lock=lock.digest, verifier=verifier())
    remember_report(report)
    write_report(report, path)
    return report


def _locked_wheel(mirror: Mirror, lock: MirrorLock, store: Store, package: LockedPackage) -> Path | IO[bytes] | None:
    """The wheel of `package` as it was locked: from the store, or from the mirror's folder."""
    source = package.source
    if isinstance(source, CapturedWheel):
        content = read_archives(lock, [source.path], folder=mirror.folder, mirror=mirror.name)[source.path]
        return io.BytesIO(content)
    return store.path(source.sha256) if isinstance(source, IndexFile | UrlFile) else None


def start_lab(mirror: Mirror, lock: MirrorLock) -> LabStatus:
    """The lab of the image that was built last; returns when JupyterLab answers."""
    require_foundations_of(mirror, lock)
    require_own_image(mirror, mirror.built(), lock)
    require_own_lock(mirror, lock)
    return start_stack(mirror.lab, render_lab(mirror, lock, make_lab_lock(mirror, lock)), mirror.lab_supplies())


def previous_lock(mirror: Mirror) -> MirrorLock | None:
    """The lock in the mirror's folder; None where there is none that can be read."""
    try:
        return read_mirror_lock(mirror.folder)
    except LockError:
        return None


def lock_built_last(mirror: Mirror) -> MirrorLock | None:
    """The lock in the mirror's folder if the last image was built with it: its fates were shown to the user."""
    found = previous_lock(mirror)
    try:
        built = read_built(mirror.folder / BUILT)
    except UsageError:
        return None
    return found if found is not None and found.digest == built.lock and built_here(built) else None


def _render_image(mirror: Mirror, lock: MirrorLock) -> BuildContext:
    """The build context of the image, written with the archives that it needs."""
    context = image_context(mirror, lock, find_runtime(mirror, mirror.snapshot()))
    linked = linked_files(lock.python, lock.r_in_image)
    archives = read_archives(lock, linked.values(), folder=mirror.folder, mirror=mirror.name)
    files = {place: archives[origin] for place, origin in linked.items()}
    BuildContext({**context.files, **files}).write(mirror.context_folder)
    return context
