"""The straight line from a cluster to a verified image: the only module that knows every stage."""

from __future__ import annotations

import contextlib
import datetime
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from dbmirror import __version__
from dbmirror.build.files import Groups, build_contexts
from dbmirror.build.foundation import Built, build_image, image_tag, read_built
from dbmirror.ca_bundle import find_ca_bundle
from dbmirror.config import LoadedConfig, MirrorConfig
from dbmirror.engine.buildx import BuildResult
from dbmirror.engine.images import inspect_image
from dbmirror.errors import DbmirrorError, UsageError
from dbmirror.filters.explain import Explanation, explain
from dbmirror.filters.flavour import Flavour, choose_flavour, official_base
from dbmirror.filters.language import Language
from dbmirror.filters.languages import python
from dbmirror.filters.languages import r as r_names
from dbmirror.filters.lists import Spelling, load
from dbmirror.filters.model import Selection
from dbmirror.filters.rulebook import Lists
from dbmirror.filters.selection import select
from dbmirror.inventory.collect import collect
from dbmirror.inventory.layers import Layer
from dbmirror.inventory.model import Distribution, RPackage
from dbmirror.lab.model import Lab, Supplies
from dbmirror.lab.stack import LabStatus
from dbmirror.lab.stack import render_files as render_lab_files
from dbmirror.lab.stack import up as start_stack
from dbmirror.lock.errors import LockError
from dbmirror.lock.fates import require_complete
from dbmirror.lock.mirror_lock import LOCK_FILES, MirrorLock, read_mirror_lock, write_mirror_lock
from dbmirror.lock.python.files import remove_unnamed
from dbmirror.lock.python.index_settings import IndexSettings, find_indexes
from dbmirror.lock.stage import Sources, lock_mirror, lock_support
from dbmirror.mirror_folder.files import LARGEST_ARCHIVE, is_file_below, read_below
from dbmirror.mirror_folder.names import BUILT, FATES, IMAGE, R_FATES, SNAPSHOT, VERIFICATION
from dbmirror.mirror_folder.trees import copy_below
from dbmirror.pipeline.access import ClusterAccess, Questions
from dbmirror.progress import SILENT, Observer
from dbmirror.render.build_files import build_needs, file_groups
from dbmirror.render.context import BuildContext
from dbmirror.render.image import linked_files, render
from dbmirror.render.lab import LabFiles
from dbmirror.render.settings import ImageSettings, RAptRepository
from dbmirror.runtimes.derived import OnCluster, runtime_of
from dbmirror.runtimes.lookup import parse_spark_version
from dbmirror.runtimes.model import Runtime, repl_names
from dbmirror.snapshot import Snapshot, Taken, read_snapshot, write_snapshot
from dbmirror.temporary import temporary_folder
from dbmirror.verify.errors import ReportError
from dbmirror.verify.model import Report
from dbmirror.verify.report import made_here, read_report, remember_report, write_report
from dbmirror.verify.verifier import still_holds, verifier
from dbmirror.verify.verify import verify

__all__ = ["Choices", "Pipeline", "Questions"]


REHEARSED = (SNAPSHOT, *LOCK_FILES, BUILT, VERIFICATION)
"""What a rehearsal takes from the mirror's folder: what a stage reads. Notebooks and deployments may hold anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What one run does otherwise than the configuration says."""

    start_cluster: bool = False
    """Start the cluster if it is terminated, instead of stopping with the remedy."""
    accept_host_key: bool = False
    """Pin an unknown host key without asking."""
    known_hosts: Path | None = None
    """A file whose host keys count beside the pinned ones."""
    whitelist: bool = False
    base: str | None = None
    ca_bundle: Path | None = None
    refresh: bool = False
    """Ask the index again for what is locked already."""
    capture: bool = True
    flavour: Flavour | None = None
    """What notebooks of the image are written in; None for what the configuration or else the snapshot says."""
    keep_going: bool = False
    """Build the image without the R packages that do not compile, instead of stopping."""


class Pipeline:
    """The stages of one mirror. Every stage reads the value before it, writes its own, and gives it back.

    A context manager: leaving it closes the connection to the driver, if a stage opened one.
    """

    def __init__(
        self,
        name: str,
        loaded: LoadedConfig,
        *,
        choices: Choices = Choices(),
        observer: Observer = SILENT,
        questions: Questions = Questions(),  # noqa: B008 - frozen
    ) -> None:
        self.name = name
        self.loaded = loaded
        self.choices = choices
        self.observer = observer
        self.questions = questions
        self._resources = ExitStack()
        self._noted: set[str] = set()
        self._rehearsing = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()
        if isinstance(error, DbmirrorError):
            # Rooms that read a file do not know whose it is, so they write MIRROR in the command that helps.
            error.remedy = re.sub(r"\bMIRROR\b", self.name, error.remedy)

    @cached_property
    def section(self) -> MirrorConfig:
        """The mirror's configuration."""
        return self.loaded.mirror(self.name)

    @cached_property
    def folder(self) -> Path:
        """The mirror's folder."""
        return self.loaded.mirror_folder(self.name)

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
            start_cluster=self.choices.start_cluster,
            accept_host_key=self.choices.accept_host_key,
            known_hosts=self.choices.known_hosts,
            dry_run=self._rehearsing,
            questions=self.questions,
            observer=self.observer,
            resources=self._resources,
        )

    @property
    def lab(self) -> Lab:
        """The mirror's lab."""
        return Lab(
            mirror=self.name,
            folder=self.folder,
            ssh=self.section.ssh,
            settings=self.section.lab,
            observer=self.observer,
        )

    def lab_supplies(self) -> Supplies:
        """What the lab needs to start. Raises SnapshotError where the mirror has no snapshot."""
        return Supplies(
            cluster=self.snapshot().cluster.cluster_id,
            profile=self.access.profile,
            workspace=lambda: self.access.workspace,
            meet_driver=lambda: self.access.driver,
            indexes=self.indexes,
            ca_bundle=self.ca_bundle,
        )

    @cached_property
    def indexes(self) -> IndexSettings:
        """The package indexes that this machine and the configuration name."""
        return find_indexes(self.loaded.config.index)

    @cached_property
    def ca_bundle(self) -> Path | None:
        """The certificate authorities to trust, where something names them."""
        return find_ca_bundle(self.choices.ca_bundle or self.loaded.config.index.ca_bundle)

    @contextlib.contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Everything inside writes to a copy of the mirror's folder, which goes afterwards: for --dry-run.

        Nothing else is written either: no cluster is started, and no host key is pinned.
        """
        real, self._rehearsing = self.folder, True
        with temporary_folder("rehearsal") as folder:
            self.folder = folder / real.name
            copy_below(real, self.folder, REHEARSED)
            try:
                yield
            finally:
                self.folder, self._rehearsing = real, False

    # The stages, in their order.

    def read_cluster(self) -> Snapshot:
        """What the cluster is now: workspace facts and one collection on its driver. Writes nothing."""
        stage = "snapshot"
        cluster, driver = self.access.cluster, self.access.driver
        self.observer.started(stage)
        inventory = collect(driver)
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        taken = Taken(at=now, host=driver.name, dbmirror=__version__)
        snapshot = Snapshot(cluster=cluster.cluster, inventory=inventory, taken=taken)
        for library in cluster.cluster.libraries:
            if library.status == "FAILED":
                self.observer.warn(f"The cluster could not install its library {library.kind} {library.specification}.")
        self.observer.finished(stage, f"{len(inventory.distributions)} Python distributions, {snapshot.short_digest}")
        return snapshot

    def take_snapshot(self) -> Snapshot:
        """Read the cluster and write the mirror's snapshot; the one that is there stays if it is of the same state."""
        snapshot = self.read_cluster()
        write_snapshot(snapshot, self.folder / SNAPSHOT)
        return read_snapshot(self.folder / SNAPSHOT)

    def snapshot(self) -> Snapshot:
        """The mirror's snapshot, from its file."""
        return read_snapshot(self.folder / SNAPSHOT)

    def runtime(self, snapshot: Snapshot) -> Runtime:
        """The Databricks Runtime of the snapshot's cluster; what dbmirror does not know of it, the snapshot says."""
        inventory = snapshot.inventory
        runtime, note = runtime_of(
            parse_spark_version(snapshot.cluster.spark_version).release,
            OnCluster(
                python=inventory.python.version,
                runtime=inventory.runtime_version,
                ubuntu=inventory.os_version if inventory.os_id == "ubuntu" else None,
                java=inventory.java_version,
                scala=inventory.scala_version,
                spark=inventory.spark_version,
                r=inventory.r_version,
                packages={d.name: d.version for d in inventory.distributions if d.layer is Layer.RUNTIME},
            ),
        )
        if note and note not in self._noted:
            self._noted.add(note)
            self.observer.note(note)
        return runtime

    def select(self, snapshot: Snapshot) -> Selection[Distribution]:
        """What of the snapshot's Python packages is mirrored, and by which rule."""
        return select(self._python(snapshot), self._lists(python.SPELLING), snapshot=snapshot.digest)

    def select_r(self, snapshot: Snapshot) -> Selection[RPackage]:
        """What of the snapshot's R packages is mirrored, and by which rule."""
        return select(self._r(snapshot), self._lists(r_names.SPELLING), snapshot=snapshot.digest)

    def explain(self, snapshot: Snapshot, package: str) -> Explanation:
        """All about one Python package of the snapshot. Raises FilterError where the cluster has none of that name."""
        lists = self._lists(python.SPELLING)
        return explain(self.select(snapshot), package, language=self._python(snapshot), lists=lists)

    def explain_r(self, snapshot: Snapshot, package: str) -> Explanation:
        """All about one R package of the snapshot. Raises FilterError where the cluster has none of that name."""
        return explain(
            self.select_r(snapshot), package, language=self._r(snapshot), lists=self._lists(r_names.SPELLING)
        )

    def flavour(self, snapshot: Snapshot) -> Flavour:
        """What notebooks of the image are written in: as chosen, as configured, else as the snapshot asks for."""
        if self.choices.flavour is not None:
            return self.choices.flavour
        if self.section.flavour is not None:
            return Flavour(self.section.flavour)
        choice = choose_flavour(snapshot)
        if choice.flavour is not Flavour.PYTHON:
            self.observer.note(f"The image is of flavour {choice.flavour}. {choice.reason}")
        return choice.flavour

    def make_lock(self, snapshot: Snapshot) -> MirrorLock:
        """One source for each selected package, and a fate for every one that was found; written to the folder."""
        runtime, flavour, previous = self.runtime(snapshot), self.flavour(snapshot), self._previous_lock()
        may_capture = self.section.capture and self.choices.capture
        sources = Sources(
            indexes=self.indexes,
            r=self.loaded.r(self.name),
            root=self.loaded.root,
            ca_bundle=self.ca_bundle,
            driver=(lambda: self.access.driver) if may_capture else None,
        )
        kept = None if self.choices.refresh else previous
        try:
            lock = lock_mirror(
                snapshot,
                selection=self.select(snapshot),
                r_selection=self.select_r(snapshot),
                flavour=flavour,
                runtime=runtime,
                base_reference=self.choices.base or self.section.base or official_base(runtime, flavour),
                sources=sources,
                folder=self.folder,
                previous=kept,
                observer=self.observer,
            )
            python = lock_support(
                lock.python,
                build_needs(lock.python, runtime, flavour=lock.flavour),
                sources=sources,
                folder=self.folder,
                previous=kept.python if kept else None,
                observer=self.observer,
            )
            lock = replace(lock, python=python)
        except BaseException:
            # Archives that were fetched for a lock that did not come about.
            remove_unnamed(previous.python if previous else None, self.folder)
            raise
        write_mirror_lock(lock, self.folder)
        return lock

    def lock(self) -> MirrorLock:
        """The mirror's lock, from its files. Raises LockError where it was made from another snapshot."""
        lock = read_mirror_lock(self.folder)
        if lock.snapshot != self.snapshot().digest:
            raise LockError(
                f"The lock in {self.folder} was not made from the snapshot beside it.",
                remedy=f"Make it again with 'dbmirror lock {self.name}'.",
            )
        inventory = self.snapshot().inventory
        require_complete(lock.python.fates, inventory.distributions, inventory.problems, file=FATES)
        require_complete(lock.r.fates if lock.r is not None else (), inventory.r_packages, file=R_FATES)
        return lock

    def render(self, lock: MirrorLock) -> BuildContext:
        """The files of image and lab, written to the mirror's folder; gives back the image's build context."""
        context = self._render_image(lock)
        self.render_lab(lock)
        return context

    def render_lab(self, lock: MirrorLock) -> LabFiles:
        """The lab's files, written to the mirror's folder."""
        cluster = self.snapshot().cluster.cluster_id
        return render_lab_files(self.lab, lock, image=self.tag(lock), cluster=cluster)

    def start_lab(self, lock: MirrorLock) -> LabStatus:
        """The lab of the image that was built last; returns when JupyterLab answers."""
        self.built()
        return start_stack(self.lab, self.render_lab(lock), self.lab_supplies())

    def _render_image(self, lock: MirrorLock) -> BuildContext:
        """The build context of the image, written with the archives that it needs."""
        r = self.loaded.r(self.name)
        repository = None
        if r.apt_repository is not None:
            key = (self.loaded.root / r.apt_key).read_text() if r.apt_key else None
            repository = RAptRepository(location=r.apt_repository, key=key)
        context = render(
            lock.python,
            self.runtime(self.snapshot()),
            mirror=self.name,
            settings=ImageSettings(waivers=self.section.waive, r_repository=repository),
            r_lock=lock.r_in_image,
            flavour=lock.flavour,
        )
        linked = linked_files(lock.python, lock.r_in_image)
        archives = {place: read_below(self.folder, origin, largest=LARGEST_ARCHIVE) for place, origin in linked.items()}
        BuildContext({**context.files, **archives}).write(self.context_folder)
        return context

    def tag(self, lock: MirrorLock) -> str:
        """The tag of the mirror's image: it names mirror, runtime, snapshot and lock."""
        repository = self.section.image or f"dbmirror/{self.name}"
        return image_tag(repository, runtime=lock.runtime, snapshot=lock.snapshot, lock=lock.digest)

    def build(self, lock: MirrorLock) -> tuple[Built, BuildResult]:
        """The image of the rendered context; the record is written."""
        with build_contexts(
            {self.name: self.build_files(lock)}, indexes=self.indexes, ca_bundle=self.ca_bundle, observer=self.observer
        ) as contexts:
            return build_image(
                self.context_folder,
                tags=[self.tag(lock)],
                snapshot=lock.snapshot,
                lock=lock.digest,
                indexes=self.indexes,
                netrc=self.r_netrc(lock),
                ca_bundle=self.ca_bundle,
                build_arguments={"KEEP_GOING": "1"} if self.choices.keep_going and lock.r_in_image else {},
                contexts=contexts[self.name],
                record=self.folder / BUILT,
                observer=self.observer,
            )

    def build_files(self, lock: MirrorLock) -> Groups:
        """The files that the image of `lock` is built from, in their groups."""
        return file_groups(lock.python, self.runtime(self.snapshot()), flavour=lock.flavour)

    def r_netrc(self, lock: MirrorLock) -> bytes | None:
        """Credentials of the R repositories, where the image has R."""
        if lock.r_in_image is None:
            return None
        sources = Sources(
            indexes=self.indexes, r=self.loaded.r(self.name), root=self.loaded.root, ca_bundle=None, driver=None
        )
        return sources.r_repositories(lock.runtime, lock.python.base).netrc()

    def built(self) -> Built:
        """What was built last. Raises UsageError where nothing was, or the engine has it no longer."""
        built = read_built(self.folder / BUILT)
        if inspect_image(built.image_id) is None:
            raise UsageError(
                f"The engine no longer has the image that was built last ({built.tags[0]}).",
                remedy=f"Build it again with 'dbmirror build {self.name}'.",
            )
        return built

    def verify(self, built: Built, lock: MirrorLock, snapshot: Snapshot, *, again: bool = False) -> Report:
        """The built image held against lock, snapshot and contract; the report is written.

        A report that this machine made of this very image and lock by this very verification is given back unless
        `again`.
        """
        path = self.folder / VERIFICATION
        if not again and is_file_below(self.folder, VERIFICATION):
            with contextlib.suppress(ReportError):
                known = read_report(path)
                if made_here(known) and self.still_holds(known, built):
                    self.observer.note("This very image was verified before: its report still holds.")
                    return known
        report = verify(
            built.image_id,
            lock=lock.python,
            snapshot=snapshot,
            runtime=self.runtime(snapshot),
            waivers=self.section.waive,
            observer=self.observer,
            r_lock=lock.r_in_image,
            flavour=lock.flavour,
        )
        report = replace(report, lock=lock.digest, verifier=verifier())
        remember_report(report)
        write_report(report, path)
        return report

    def report(self) -> Report | None:
        """What this machine found when it verified last; None where it did not. Raises ReportError where it is damaged.

        A report that came with the repository is a claim: it is named so, and not given.
        """
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
        waivers = {waiver.rule: waiver.reason for waiver in self.section.waive}
        return still_holds(report, image_id=built.image_id, lock=built.lock, snapshot=built.snapshot, waivers=waivers)

    def claimed_report(self) -> Report | None:
        """The report in the mirror's folder, whoever made it; None where there is none. Raises ReportError."""
        return read_report(self.folder / VERIFICATION) if is_file_below(self.folder, VERIFICATION) else None

    def _previous_lock(self) -> MirrorLock | None:
        try:
            return read_mirror_lock(self.folder)
        except LockError:
            return None

    def _python(self, snapshot: Snapshot) -> Language[Distribution]:
        return python.python_language(
            snapshot.inventory,
            runtime_repl=repl_names(self.runtime(snapshot)),
            notebook=self.section.notebook_environment,
        )

    def _r(self, snapshot: Snapshot) -> Language[RPackage]:
        return r_names.r_language(snapshot.inventory, notebook=self.section.notebook_environment)

    def _lists(self, spelling: Spelling) -> Lists:
        """The lists of one language, with the user's own entries in front."""
        additions, origin = self.loaded.config.filters, str(self.loaded.origin or "")
        return Lists(
            mode="whitelist" if self.choices.whitelist else self.section.filter,
            whitelist=load("whitelist", spelling, additions, origin=origin),
            blacklist=load("blacklist", spelling, additions, origin=origin),
        )
