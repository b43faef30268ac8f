"""The straight line from a cluster to a verified image: the only module that knows every stage."""

from __future__ import annotations

import contextlib
import datetime
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from databricks.sdk import WorkspaceClient

from dbmirror import __version__
from dbmirror.build import FILE_NAME as BUILD_FILE
from dbmirror.build import Built, build_image, image_tag, read_built
from dbmirror.config import LoadedConfig, MirrorConfig
from dbmirror.engine.buildx import BuildResult
from dbmirror.engine.images import inspect_image
from dbmirror.errors import RemoteError, UsageError
from dbmirror.files import write_atomically
from dbmirror.filters.explain import Explanation, explain
from dbmirror.filters.lists import FilterList, load
from dbmirror.filters.model import Selection
from dbmirror.filters.selection import select
from dbmirror.hosts.container import ContainerHost
from dbmirror.hosts.known_hosts import Fingerprint, KnownHosts
from dbmirror.hosts.ssh import SshHost, connect
from dbmirror.hosts.ssh_config import SshTarget
from dbmirror.hosts.ssh_errors import HostKeyChanged
from dbmirror.inventory.capture import capture
from dbmirror.inventory.collect import collect
from dbmirror.inventory.model import Distribution
from dbmirror.inventory.repack import CapturedFile
from dbmirror.lock.apt import apt_candidates
from dbmirror.lock.base import read_base
from dbmirror.lock.errors import LockError
from dbmirror.lock.files import lock_digest, read_lock, remove_unnamed, write_lock
from dbmirror.lock.index import Index
from dbmirror.lock.index_settings import IndexSettings, find_indexes
from dbmirror.lock.make import make_lock
from dbmirror.lock.model import Lock
from dbmirror.places import known_hosts_file
from dbmirror.progress import SILENT, Observer
from dbmirror.publication import FILE_NAME as PUSH_FILE
from dbmirror.publication import Destination, Pushed, find_destinations, publish, require_verified
from dbmirror.render.context import BuildContext
from dbmirror.render.deployment import FOLDER_NAME as DEPLOYMENT_FOLDER
from dbmirror.render.deployment import PullSecret, render_deployment
from dbmirror.render.python import linked_files, render
from dbmirror.render.settings import ImageSettings
from dbmirror.runtimes.lookup import lookup, parse_spark_version
from dbmirror.runtimes.model import Runtime, repl_names
from dbmirror.snapshot import FILE_NAME as SNAPSHOT_FILE
from dbmirror.snapshot import Snapshot, Taken, read_snapshot, write_snapshot
from dbmirror.trust import find_ca_bundle
from dbmirror.verify.errors import ReportError
from dbmirror.verify.model import Outcome, Report
from dbmirror.verify.report import FILE_NAME as REPORT_FILE
from dbmirror.verify.report import read_report, write_report
from dbmirror.verify.verify import verify
from dbmirror.workspace import clusters
from dbmirror.workspace.clusters import ClusterState
from dbmirror.workspace.judgement import ClusterSummary
from dbmirror.workspace.profiles import client
from dbmirror.workspace.starting import start


class ClusterNotRunning(RemoteError):
    """The cluster has no driver at the moment."""


class DriverUnknown(RemoteError):
    """The workspace states no address of the driver, and the configuration neither."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What a stage asks the user; None where nobody can answer, and then the answer is no."""

    host_key: Callable[[Fingerprint], bool] | None = None
    """First contact with a driver: is this its host key?"""
    start: Callable[[ClusterState], bool] | None = None
    """The cluster is terminated: is it to be started?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What one run does otherwise than the configuration says."""

    start_cluster: bool = False
    """Start the cluster if it is terminated, instead of stopping with the remedy."""
    accept_host_key: bool = False
    """Pin an unknown host key without asking."""
    whitelist: bool = False
    base: str | None = None
    ca_bundle: Path | None = None
    refresh: bool = False
    """Ask the index again for what is locked already."""
    capture: bool = True


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
        questions: Questions = Questions(),
    ) -> None:
        self.name = name
        self.loaded = loaded
        self.choices = choices
        self.observer = observer
        self.questions = questions
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

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
        return self.folder / "image"

    @cached_property
    def profile(self) -> str:
        """The Databricks profile that the cluster is read with."""
        return self.section.profile or self.name

    @cached_property
    def workspace(self) -> WorkspaceClient:
        """The workspace of the profile."""
        return client(self.profile, self.section.profile_file)

    @cached_property
    def whitelist(self) -> FilterList:
        """The whitelist with the user's own entries in front."""
        return self._list("whitelist")

    @cached_property
    def blacklist(self) -> FilterList:
        """The blacklist with the user's own entries in front."""
        return self._list("blacklist")

    @cached_property
    def indexes(self) -> IndexSettings:
        """The package indexes that this machine and the configuration name."""
        return find_indexes(self.loaded.config.index)

    @cached_property
    def ca_bundle(self) -> Path | None:
        """The certificate authorities to trust, where something names them."""
        return find_ca_bundle(self.choices.ca_bundle or self.loaded.config.index.ca_bundle)

    @cached_property
    def cluster_summary(self) -> ClusterSummary:
        """The cluster that is mirrored, in whatever state it is."""
        w = self.workspace
        return clusters.find_cluster(w, self.section.cluster, w.config.cluster_id)

    @cached_property
    def cluster(self) -> ClusterState:
        """The cluster as the workspace states it now, running: started first if the choices say so."""
        w = self.workspace
        found = self.cluster_summary
        state = clusters.read(w, found.cluster_id)
        if state.state in {"RUNNING", "RESIZING"}:
            return state
        if self.choices.start_cluster or (self.questions.start is not None and self.questions.start(state)):
            return start(w, found.cluster_id, observer=self.observer)
        raise ClusterNotRunning(
            f"The cluster {state.cluster.cluster_name} ({state.cluster.cluster_id}) is {state.state.lower()}.",
            remedy="Start it, or let dbmirror start it: add --start. To build from the last snapshot, add --frozen.",
        )

    @cached_property
    def driver_target(self) -> SshTarget:
        """How the cluster's driver is reached."""
        cluster, ssh = self.cluster, self.section.ssh
        address = ssh.host or cluster.driver_address
        if address is None:
            raise DriverUnknown(
                f"The workspace states no address of the driver of {cluster.cluster.cluster_name}.",
                remedy=f"Name a host of your ssh config in [mirrors.{self.name}.ssh] of dbmirror.toml, for example the "
                "one that 'databricks ssh setup' makes.",
            )
        return SshTarget(
            host=address,
            label=f"driver of {cluster.cluster.cluster_name}",
            port=ssh.port,
            user=ssh.user,
            identity_files=(ssh.identity_file,) if ssh.identity_file else (),
            profile=self.profile,
            host_key_alias=cluster.cluster.cluster_id,
        )

    @cached_property
    def driver(self) -> SshHost:
        """The one SSH connection to the cluster's driver."""
        try:
            host = connect(
                self.driver_target,
                known_hosts=KnownHosts(known_hosts_file()),
                confirm=self.questions.host_key,
                accept_new=self.choices.accept_host_key,
                observer=self.observer,
            )
        except HostKeyChanged as error:
            raise error.with_facts(started=self.cluster.started_at, command=f"dbmirror ssh repin {self.name}") from None
        return self._resources.enter_context(host)

    @contextlib.contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Everything inside writes to a copy of the mirror's folder, which goes afterwards: for --dry-run."""
        real = self.folder
        with tempfile.TemporaryDirectory(prefix="dbmirror-rehearsal-") as name:
            self.folder = Path(name) / real.name
            if real.is_dir():
                shutil.copytree(real, self.folder)
            try:
                yield
            finally:
                self.folder = real

    # The stages, in their order.

    def read_cluster(self) -> Snapshot:
        """What the cluster is now: workspace facts and one collection on its driver. Writes nothing."""
        stage = "snapshot"
        self.observer.started(stage)
        cluster = self.cluster
        inventory = collect(self.driver)
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        taken = Taken(at=now, host=self.driver.name, dbmirror=__version__)
        snapshot = Snapshot(cluster=cluster.cluster, inventory=inventory, taken=taken)
        self.observer.finished(stage, f"{len(inventory.distributions)} Python distributions, {snapshot.short_digest}")
        return snapshot

    def take_snapshot(self) -> Snapshot:
        """Read the cluster and write the mirror's snapshot; the one that is there stays if it is of the same state."""
        snapshot = self.read_cluster()
        write_snapshot(snapshot, self.folder / SNAPSHOT_FILE)
        return read_snapshot(self.folder / SNAPSHOT_FILE)

    def snapshot(self) -> Snapshot:
        """The mirror's snapshot, from its file."""
        return read_snapshot(self.folder / SNAPSHOT_FILE)

    def runtime(self, snapshot: Snapshot) -> Runtime:
        """The Databricks Runtime of the snapshot's cluster."""
        return lookup(parse_spark_version(snapshot.cluster.spark_version).release)

    def select(self, snapshot: Snapshot) -> Selection:
        """What of the snapshot is mirrored, and by which rule."""
        return select(
            snapshot,
            mode="whitelist" if self.choices.whitelist else self.section.filter,
            whitelist=self.whitelist,
            blacklist=self.blacklist,
            runtime_repl=repl_names(self.runtime(snapshot)),
            notebook_environment=self.section.notebook_environment,
        )

    def explain(self, snapshot: Snapshot, package: str) -> Explanation:
        """All about one package of the snapshot."""
        return explain(
            self.select(snapshot),
            package,
            snapshot=snapshot,
            whitelist=self.whitelist,
            blacklist=self.blacklist,
            runtime_repl=repl_names(self.runtime(snapshot)),
        )

    def make_lock(self, snapshot: Snapshot) -> Lock:
        """One source for each selected package, and a fate for every one that was found; written to the folder."""
        runtime = self.runtime(snapshot)
        base, base_inventory = read_base(self._base_reference(runtime), observer=self.observer)

        def candidates(packages: Sequence[str]) -> Mapping[str, str]:
            with ContainerHost(base.image_id, network="bridge") as host:
                return apt_candidates(host, packages)

        previous = self._previous_lock()
        try:
            with Index(self.indexes, ca_bundle=self.ca_bundle) as index:
                lock = make_lock(
                    self.select(snapshot),
                    snapshot,
                    runtime=runtime.version,
                    base=base,
                    base_inventory=base_inventory,
                    index=index,
                    folder=self.folder,
                    capture=self._capture if self.section.capture and self.choices.capture else None,
                    apt_candidates=candidates,
                    observer=self.observer,
                    previous=None if self.choices.refresh else previous,
                )
        except BaseException:
            # Archives that were fetched for a lock that did not come about.
            remove_unnamed(previous, self.folder)
            raise
        write_lock(lock, self.folder)
        return lock

    def lock(self) -> Lock:
        """The mirror's lock, from its files. Raises LockError where it was made from another snapshot."""
        lock = read_lock(self.folder)
        if lock.snapshot != self.snapshot().digest:
            raise LockError(
                f"The lock in {self.folder} was not made from the snapshot beside it.",
                remedy=f"Make it again with 'dbmirror lock {self.name}'.",
            )
        return lock

    def render(self, lock: Lock) -> BuildContext:
        """The build context of the image, written to the mirror's folder with the archives that it needs."""
        settings = ImageSettings(waivers=self.section.waive)
        context = render(lock, lookup(lock.runtime), mirror=self.name, settings=settings)
        archives = {place: (self.folder / origin).read_bytes() for place, origin in linked_files(lock).items()}
        BuildContext({**context.files, **archives}).write(self.context_folder)
        return context

    def tag(self, lock: Lock) -> str:
        """The name of the image of `lock`."""
        repository = self.section.image or f"dbmirror/{self.name}"
        return image_tag(repository, runtime=lock.runtime, snapshot_digest=lock.snapshot)

    def build(self, lock: Lock) -> tuple[Built, BuildResult]:
        """The image of the rendered context, tagged with mirror, runtime and snapshot; the record is written."""
        return build_image(
            self.context_folder,
            tags=[self.tag(lock)],
            snapshot=lock.snapshot,
            lock=lock_digest(lock),
            indexes=self.indexes,
            ca_bundle=self.ca_bundle,
            record=self.folder / BUILD_FILE,
            observer=self.observer,
        )

    def built(self) -> Built:
        """What was built last. Raises UsageError where nothing was, or the engine has it no longer."""
        built = read_built(self.folder / BUILD_FILE)
        if inspect_image(built.image_id) is None:
            raise UsageError(
                f"The engine no longer has the image that was built last ({built.tags[0]}).",
                remedy=f"Build it again with 'dbmirror build {self.name}'.",
            )
        return built

    def verify(self, built: Built, lock: Lock, snapshot: Snapshot, *, again: bool = False) -> Report:
        """The built image held against lock, snapshot and contract; the report is written.

        A report that is there already, of this very image and lock, is given back unless `again`.
        """
        path = self.folder / REPORT_FILE
        if not again and path.is_file():
            with contextlib.suppress(ReportError):
                known = read_report(path)
                if (known.image_id, known.lock, known.snapshot) == (built.image_id, built.lock, built.snapshot):
                    self.observer.note("This very image was verified before: its report still holds.")
                    return known
        report = verify(
            built.tags[0],
            lock=lock,
            snapshot=snapshot,
            runtime=lookup(lock.runtime),
            waivers=self.section.waive,
            observer=self.observer,
        )
        write_report(report, path)
        return report

    def report(self) -> Report | None:
        """The last verification's report; None where there is none. Raises ReportError where it is damaged."""
        path = self.folder / REPORT_FILE
        return read_report(path) if path.is_file() else None

    def destinations(self, names: Sequence[str], *, password: str | None = None) -> tuple[Destination, ...]:
        """The registries of `names`, each with a credential that it accepts."""
        registries = self.loaded.config.registries
        return find_destinations(names, registries, mirror=self.name, password=password, observer=self.observer)

    def push(
        self,
        built: Built,
        destinations: Sequence[Destination],
        *,
        allow_unverified: bool = False,
        replace: bool = False,
    ) -> tuple[Pushed, ...]:
        """The built image in every destination, under its own tag; the record is written.

        Raises NotVerified unless the last verification was of this very image and passed, or that is allowed.
        """
        verified = require_verified(built, self.report(), mirror=self.name, allow_unverified=allow_unverified)
        if not verified:
            self.observer.warn(f"{built.tags[0]} is pushed without having passed verification, as asked.")
        return publish(
            built,
            destinations,
            tag=built.tags[0].rpartition(":")[2],
            verified=verified,
            record=self.folder / PUSH_FILE,
            replace=replace,
            observer=self.observer,
        )

    def deploy(self, snapshot: Snapshot, pushed: Sequence[Pushed], report: Report | None) -> tuple[Path, ...]:
        """What to do with a pushed image: files for the Clusters API, Terraform and asset bundles, in `deploy/`.

        With several registries they name the first. Raises DeploymentRefused where the platform takes no image on
        such a cluster (rule L25).
        """
        first = pushed[0]
        secret = PullSecret.for_registry(first.registry) if first.needs_login else None
        has_virtualenv = report is None or any(f.rule == "L07" and f.outcome is Outcome.PASSED for f in report.findings)
        files = render_deployment(
            snapshot.cluster,
            mirror=self.name,
            reference=first.reference,
            digest=first.digest,
            pull_secret=secret,
            driver_nfs=has_virtualenv,
        )
        # Only these files: the folder may hold Terraform's state, too.
        for name, content in files.items():
            write_atomically(self.folder / DEPLOYMENT_FOLDER / name, content)
        return tuple(self.folder / DEPLOYMENT_FOLDER / name for name in files)

    def write_sbom(self, built: Built, lock: Lock, snapshot: Snapshot, pushed: Sequence[Pushed] = ()) -> Path:
        """The bill of materials of the built image, in the mirror's folder."""
        # The library takes 0.7 s to import, and few runs need it.
        from dbmirror.supply_chain import write_sbom  # noqa: PLC0415

        digest = pushed[0].digest if pushed else None
        return write_sbom(self.folder, mirror=self.name, lock=lock, snapshot=snapshot, built=built, digest=digest)

    def _base_reference(self, runtime: Runtime) -> str:
        return self.choices.base or self.section.base or runtime.official_image

    def _capture(self, distribution: Distribution) -> CapturedFile:
        return capture(self.driver, distribution)

    def _previous_lock(self) -> Lock | None:
        try:
            return read_lock(self.folder)
        except LockError:
            return None

    def _list(self, name: str) -> FilterList:
        origin = str(self.loaded.origin) if self.loaded.origin else ""
        return load(name, self.loaded.config.filters, origin=origin)
