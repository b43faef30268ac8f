"""An opened mirror: its configuration, its folder, its way to the cluster, and what its files say.

Each room is imported where it is first needed: a snapshot takes less time than the imports of lock and engine do.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from dbmirror.ca_bundle import find_ca_bundle
from dbmirror.clones.allowed_settings import SettingNotAllowed
from dbmirror.config import LoadedConfig, MirrorConfig, sandbox_servers
from dbmirror.errors import DbmirrorError, UsageError
from dbmirror.hosts.interface import HostError
from dbmirror.mirror_folder.files import is_file_below
from dbmirror.mirror_folder.names import BUILT, FATES, IMAGE, LAB_LOCK, LOCK_FILES, R_FATES, SNAPSHOT, VERIFICATION
from dbmirror.mirror_folder.trees import copy_below
from dbmirror.pipeline.cluster_access import PATIENCE, ClusterAccess, Questions, WhichCluster
from dbmirror.pipeline.driver_ways import Way
from dbmirror.processes.temporary import temporary_folder
from dbmirror.progress import SILENT, Observer
from dbmirror.snapshot import Cluster, Snapshot, SnapshotError, read_snapshot

if TYPE_CHECKING:
    from dbmirror.build.image import Built
    from dbmirror.filters.flavour import Flavour
    from dbmirror.lab.model import Lab, Supplies
    from dbmirror.lock.make import Sources
    from dbmirror.lock.mirror_lock import MirrorLock
    from dbmirror.lock.python.index_settings import IndexSettings
    from dbmirror.verify.model import Report

REHEARSED: Final = (SNAPSHOT, *LOCK_FILES, LAB_LOCK, BUILT, VERIFICATION)
"""What a dry run takes from the mirror's folder: what a stage reads. Notebooks and deployments may hold anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What one run does otherwise than the configuration says."""

    cluster: str | None = None
    """The name or id of the cluster, instead of the configuration's."""
    switch_cluster: bool = False
    """Let the mirror be one of another cluster than its snapshot's from now on."""
    source: Path | None = None
    """A list of packages that the snapshot is made of, instead of a cluster."""
    runtime: str | None = None
    """The runtime that the snapshot is of, where no cluster says it."""
    via: Way | None = None
    """How the driver is read; None for the first way that works."""
    start_cluster: bool = False
    """Start the cluster if it is terminated, instead of stopping with the remedy."""
    timeout: float = PATIENCE
    """Seconds that the cluster's libraries are waited for."""
    accept_host_key: bool = False
    """Pin an unknown host key without asking."""
    known_hosts: Path | None = None
    """A file whose host keys count beside the pinned ones."""
    whitelist: bool = False
    base: str | None = None
    trusted: tuple[str, ...] = ()
    """Base images, apt repositories and digests of locks that may come with the repository."""
    ca_bundle: Path | None = None
    refresh: bool = False
    """Ask the index again for what is locked already."""
    capture: bool = True
    flavour: Flavour | None = None
    """What notebooks of the image are written in; None for what the configuration or else the snapshot says."""
    keep_going: bool = False
    """Build the image without the R packages that do not compile, instead of stopping."""


class Mirror:
    """One mirror, for one run. Everything here is looked up when it is first asked for, once.

    A context manager: leaving it closes the connection to the driver, if a stage opened one. With `dry_run` everything
    is written to a copy of the mirror's folder, which goes then; no cluster is started, and no host key is pinned.
    """

    def __init__(
        self,
        name: str,
        loaded: LoadedConfig,
        *,
        choices: Choices = Choices(),
        observer: Observer = SILENT,
        questions: Questions = Questions(),  # noqa: B008 - frozen
        dry_run: bool = False,
    ) -> None:
        self.name = name
        self.loaded = loaded
        self.choices = choices
        self.observer = observer
        self.questions = questions
        self.dry_run = dry_run
        self._noted: set[str] = set()
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()
        if isinstance(error, DbmirrorError):
            explained = self.explained(error)
            if explained is not error:
                raise explained from error

    def explained(self, error: DbmirrorError) -> DbmirrorError:
        """`error` with the mirror's name in it; in place of a driver that is lost, a cluster that has ended."""
        ended = self.access.ended_meanwhile(error) if isinstance(error, HostError) else None
        return (ended or error).of_mirror(self.name)

    @cached_property
    def section(self) -> MirrorConfig:
        """The mirror's configuration."""
        return self.loaded.mirror(self.name)

    @cached_property
    def own_folder(self) -> Path:
        """The mirror's folder, also in a dry run: to be shown, not to be written to."""
        return self.loaded.mirror_folder(self.name)

    @cached_property
    def folder(self) -> Path:
        """The folder that stages read and write: the mirror's own, in a dry run the copy of it."""
        if not self.dry_run:
            return self.own_folder
        copy = self._resources.enter_context(temporary_folder("rehearsal")) / self.own_folder.name
        copy_below(self.own_folder, copy, REHEARSED)
        return copy

    @property
    def context_folder(self) -> Path:
        """Where the build context is rendered."""
        return self.folder / IMAGE

    @cached_property
    def access(self) -> ClusterAccess:
        """The way to the cluster; nothing is asked of it before a stage needs it."""
        return ClusterAccess(
            self.name,
            self.section,
            which=WhichCluster(
                named=self.choices.cluster,
                switch=self.choices.switch_cluster,
                pinned=self._pinned_cluster,
                via=self.choices.via,
            ),
            start_cluster=self.choices.start_cluster,
            accept_host_key=self.choices.accept_host_key,
            known_hosts=self.choices.known_hosts,
            ca_bundle=lambda: self.ca_bundle,
            timeout=self.choices.timeout,
            dry_run=self.dry_run,
            questions=self.questions,
            observer=self.observer,
            resources=self._resources,
        )

    @cached_property
    def indexes(self) -> IndexSettings:
        """The package indexes that this machine and the configuration name."""
        from dbmirror.lock.python.index_settings import find_indexes

        return replace(find_indexes(self.loaded.config.index), own_servers=sandbox_servers())

    @cached_property
    def ca_bundle(self) -> Path | None:
        """The certificate authorities to trust, where something names them."""
        return find_ca_bundle(self.choices.ca_bundle or self.loaded.config.index.ca_bundle)

    @property
    def sources(self) -> Sources:
        """Where the lock may find packages."""
        from dbmirror.lock.make import Sources

        may_capture = self.section.capture and self.choices.capture and self._pinned_cluster() is not None
        return Sources(
            indexes=self.indexes,
            r=self.loaded.r(self.name),
            root=self.loaded.root,
            ca_bundle=self.ca_bundle,
            driver=(lambda: self.access.driver) if may_capture else None,
        )

    @property
    def lab(self) -> Lab:
        """The mirror's lab."""
        from dbmirror.lab.model import Lab

        return Lab(
            mirror=self.name,
            folder=self.folder,
            ssh=self.section.ssh,
            settings=self.section.lab,
            observer=self.observer,
        )

    def lab_supplies(self) -> Supplies:
        """What the lab needs to start. Raises SnapshotError where the mirror has no snapshot."""
        from dbmirror.lab.model import Supplies

        self.require_cluster_of_lab()
        cluster_id = self.snapshot().cluster.cluster_id
        return Supplies(
            cluster=cluster_id,
            ssh_host=self.access.ssh_host(cluster_id),
            profile=self.access.profile,
            workspace=lambda: self.access.workspace,
            meet_driver=lambda: self.access.ssh,
            driver_started_anew=lambda: self.access.started_anew(cluster_id),
            indexes=self.indexes,
            ca_bundle=self.ca_bundle,
        )

    def require_cluster_of_lab(self) -> None:
        """Raises UsageError where the last snapshot is of a list of packages or a runtime: a tunnel needs a cluster."""
        try:
            last = self.snapshot()
        except SnapshotError:
            return
        if not last.cluster.is_known:
            raise UsageError(
                f"The snapshot of {self.name} is of {last.taken.host}, and the lab's tunnel needs a cluster.",
                remedy=f"Start the image alone (its tag is in {self.own_folder / BUILT}), or take the snapshot from a "
                f"cluster: dbmirror snapshot {self.name} --switch-cluster",
            )

    def _pinned_cluster(self) -> Cluster | None:
        """The cluster of the last snapshot, which the mirror stays with; None before the first, and of a list."""
        try:
            cluster = self.snapshot().cluster
            return cluster if cluster.is_known else None
        except SnapshotError:
            return None

    def note_once(self, text: str) -> None:
        """Tell the observer of something that several stages come upon."""
        if text not in self._noted:
            self._noted.add(text)
            self.observer.note(text)

    def tag(self, lock: MirrorLock) -> str:
        """The tag of the mirror's image: it names mirror, runtime, snapshot and lock."""
        from dbmirror.build.image import image_tag
        from dbmirror.lock.base import is_official

        repository = self.section.image or f"dbmirror/{self.name}"
        if is_official(repository):
            raise SettingNotAllowed(
                f"'image' of the mirror {self.name} is {repository}, as Databricks' own images are called.",
                remedy="Choose another name: an image of that name would be taken for a base that needs no question.",
            )
        return image_tag(repository, runtime=lock.runtime, snapshot=lock.snapshot, lock=lock.digest)

    # What the mirror's files say.

    def snapshot(self) -> Snapshot:
        """The snapshot that was taken last. Raises SnapshotError."""
        return read_snapshot(self.folder / SNAPSHOT)

    def lock(self) -> MirrorLock:
        """The lock that was made last. Raises LockError where it was made from another snapshot."""
        from dbmirror.lock.accounting import require_complete
        from dbmirror.lock.errors import LockError
        from dbmirror.lock.mirror_lock import read_mirror_lock

        lock, snapshot = read_mirror_lock(self.folder), self.snapshot()
        if lock.snapshot != snapshot.digest:
            raise LockError(
                f"The lock in {self.folder} was not made from the snapshot beside it.",
                remedy=f"Make it again with 'dbmirror lock {self.name}'.",
            )
        inventory = snapshot.inventory
        require_complete(lock.python.fates, inventory.distributions, inventory.problems, file=FATES)
        require_complete(lock.r.fates if lock.r is not None else (), inventory.r_packages, file=R_FATES)
        return lock

    def built(self) -> Built:
        """What was built last. Raises UsageError where nothing was, or the engine has it no longer."""
        from dbmirror.build.image import read_built
        from dbmirror.engine.images import inspect_image

        built = read_built(self.folder / BUILT)
        if inspect_image(built.image_id) is None:
            raise UsageError(
                f"The engine no longer has the image that was built last ({built.tags[0]}).",
                remedy=f"Build it again with 'dbmirror build {self.name}'.",
            )
        return built

    def report(self) -> Report | None:
        """What this machine found when it verified last; None where it did not. Raises ReportError where it is damaged.

        A report that came with the repository is a claim: it is named so, and not given.
        """
        from dbmirror.verify.report import made_here

        report = self.claimed_report()
        if report is None or made_here(report):
            return report
        says = "passed" if report.passed else "did not pass"
        self.observer.note(
            f"A report from elsewhere ({VERIFICATION}, of {self.name}) says that {report.image_id[:19]} {says}. "
            "What counts is what this machine verifies."
        )
        return None

    def still_holds(self, report: Report, built: Built) -> bool:
        """Whether verifying `built` again, as this mirror is configured, would find just what `report` says."""
        from dbmirror.verify.verifier import still_holds

        waivers = {waiver.rule: waiver.reason for waiver in self.section.waive}
        return still_holds(
            report,
            image_id=built.image_id,
            lock=built.lock,
            snapshot=built.snapshot,
            waivers=waivers,
            purpose=self.section.purpose,
        )

    def claimed_report(self) -> Report | None:
        """The report in the mirror's folder, whoever made it; None where there is none. Raises ReportError."""
        from dbmirror.verify.report import read_report

        return read_report(self.folder / VERIFICATION) if is_file_below(self.folder, VERIFICATION) else None
