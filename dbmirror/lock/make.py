"""The lock stage: Python's half and R's half of the lock for one snapshot on one base."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dbmirror.config import RConfig
from dbmirror.fetch.store import Store
from dbmirror.filters.flavour import Flavour, without_python, without_r
from dbmirror.filters.model import Selection
from dbmirror.hosts.interface import Host
from dbmirror.inventory.capture_python import capture
from dbmirror.inventory.capture_r import capture_r
from dbmirror.inventory.installed_files import CapturedFile
from dbmirror.inventory.model import Distribution, Inventory, RPackage
from dbmirror.lock.apt_candidates import AptCandidates
from dbmirror.lock.mirror_lock import MirrorLock
from dbmirror.lock.model import BaseImage, Lock
from dbmirror.lock.python.build_needs import BuildNeeds, with_support
from dbmirror.lock.python.index import Index
from dbmirror.lock.python.index_settings import IndexSettings
from dbmirror.lock.python.make import make_lock
from dbmirror.lock.r.make import make_r_lock, only_excluded
from dbmirror.lock.r.model import RLock
from dbmirror.lock.r.repository import Repositories
from dbmirror.lock.r.repository_settings import RepositorySettings, find_repositories
from dbmirror.progress import SILENT, Observer
from dbmirror.runtimes.model import Runtime
from dbmirror.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where packages may come from."""

    indexes: IndexSettings
    r: RConfig
    root: Path
    """The folder that relative paths of the configuration start from."""
    ca_bundle: Path | None
    driver: Callable[[], Host] | None
    """Gives the cluster's driver, whose files may be packed; None where that is not wanted."""

    def r_repositories(self, runtime: str, base: BaseImage) -> RepositorySettings:
        """The CRAN-like repositories for an image on `base`."""
        return find_repositories(
            self.r, root=self.root, runtime=runtime, distribution=f"{base.os_id}-{base.os_version}"
        )


def lock_mirror(
    snapshot: Snapshot,
    *,
    selection: Selection[Distribution],
    r_selection: Selection[RPackage],
    flavour: Flavour,
    runtime: Runtime,
    base: tuple[BaseImage, Inventory | None],
    candidates: AptCandidates,
    sources: Sources,
    folder: Path,
    previous: MirrorLock | None = None,
    observer: Observer = SILENT,
) -> MirrorLock:
    """One source for each selected package, and a fate for every one that was found, of either language.

    `base` is what `read_base` gives, `candidates` what its apt says. What `flavour` leaves out is excluded by that
    rule. Archives that are no repository's are written below `folder`. The Debian packages are not chosen yet.
    Raises what `make_lock` and `make_r_lock` raise.
    """
    python = _lock_python(
        selection if flavour.has_python else without_python(selection),
        snapshot,
        runtime=runtime,
        base=base,
        candidates=candidates,
        sources=sources,
        folder=folder,
        previous=previous.python if previous else None,
        observer=observer,
    )
    r: RLock | None = None
    if flavour.has_r:
        r = _lock_r(
            r_selection,
            snapshot,
            base=base,
            candidates=candidates,
            sources=sources,
            runtime=runtime,
            folder=folder,
            previous=previous.r if previous else None,
            observer=observer,
        )
    elif r_selection.decisions:
        r = only_excluded(without_r(r_selection), snapshot)
    return MirrorLock(python=python, r=r)


def lock_support(
    lock: Lock,
    needs: BuildNeeds,
    *,
    sources: Sources,
    folder: Path,
    previous: Lock | None = None,
    observer: Observer = SILENT,
) -> Lock:
    """`lock` with what its image is built with. Raises what `with_support` raises."""
    with Index(sources.indexes, ca_bundle=sources.ca_bundle) as index, Store() as store:
        return with_support(lock, needs, index=index, store=store, folder=folder, previous=previous, observer=observer)


def _lock_python(
    selection: Selection[Distribution],
    snapshot: Snapshot,
    *,
    runtime: Runtime,
    base: tuple[BaseImage, Inventory | None],
    candidates: AptCandidates,
    sources: Sources,
    folder: Path,
    previous: Lock | None,
    observer: Observer,
) -> Lock:
    def pack(distribution: Distribution) -> CapturedFile:
        assert sources.driver is not None  # noqa: S101 - handed on only where there is one
        return capture(sources.driver(), distribution)

    with Index(sources.indexes, ca_bundle=sources.ca_bundle) as index:
        return make_lock(
            selection,
            snapshot,
            runtime=runtime.version,
            base=base[0],
            base_inventory=base[1],
            index=index,
            folder=folder,
            capture=pack if sources.driver else None,
            apt_candidates=candidates,
            observer=observer,
            previous=previous,
        )


def _lock_r(
    selection: Selection[RPackage],
    snapshot: Snapshot,
    *,
    base: tuple[BaseImage, Inventory | None],
    candidates: AptCandidates,
    sources: Sources,
    runtime: Runtime,
    folder: Path,
    previous: RLock | None,
    observer: Observer,
) -> RLock:
    def pack(package: RPackage) -> CapturedFile:
        assert sources.driver is not None  # noqa: S101 - handed on only where there is one
        return capture_r(sources.driver(), package)

    inventory = snapshot.inventory
    with (
        Store() as store,
        Repositories(
            sources.r_repositories(runtime.version, base[0]),
            r_version=inventory.r_version or "",
            architecture=inventory.architecture,
            ca_bundle=sources.ca_bundle,
            internal_hosts=sources.indexes.internal_hosts,
            own_servers=sources.indexes.own_servers,
            store=store,
        ) as repositories,
    ):
        return make_r_lock(
            selection,
            snapshot,
            repositories=repositories,
            base=base[0],
            base_inventory=base[1],
            folder=folder,
            capture=pack if sources.driver else None,
            apt_candidates=candidates,
            observer=observer,
            previous=previous,
        )
