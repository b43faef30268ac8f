"""The way to a mirror's cluster: its workspace, the cluster as it is now, and its driver as a host."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dbmirror.clones.agreements import Ask
from dbmirror.config import MirrorConfig
from dbmirror.errors import RemoteError
from dbmirror.folders import known_hosts_file, pinned_starts_file
from dbmirror.hosts.cluster_aliases import alias_of, proxied_hosts
from dbmirror.hosts.context import ContextHost
from dbmirror.hosts.driver import DRIVER_PORT
from dbmirror.hosts.host_key import Fingerprint
from dbmirror.hosts.interface import Host, HostError
from dbmirror.hosts.known_hosts import KnownHosts
from dbmirror.hosts.offered_keys import offered_at
from dbmirror.hosts.pinned_starts import PinnedStarts
from dbmirror.hosts.ssh import SshHost, connect
from dbmirror.hosts.ssh_config import SshTarget
from dbmirror.hosts.ssh_errors import HostKeyChanged
from dbmirror.hosts.ssh_transport import Vouching
from dbmirror.pipeline.driver_ways import SECONDS_FOR_SSH, DriverUnknown, NoSshWay, Way, driver_keys, first_that_works
from dbmirror.pipeline.mirror_names import profile_of
from dbmirror.progress import Observer

if TYPE_CHECKING:
    from dbmirror.snapshot import Cluster
    from dbmirror.workspace.client import WorkspaceClient
    from dbmirror.workspace.clusters import ClusterState
    from dbmirror.workspace.mirrorable import ClusterSummary, Fits, Login

_FIRST_CONTACT: Final = threading.Lock()
"""A pin is added to the file of known hosts by writing the whole file: two mirrors at a time would lose one."""

PATIENCE: Final = 1200.0
"""Seconds that a cluster's libraries are waited for, unless told otherwise: as long as a start may take."""
_NOWHERE: Final = "driver.invalid"
"""Stands for the address of a driver that is not there yet: what the ssh config says of all hosts holds for it."""


class ClusterNotRunning(RemoteError):
    """The cluster has no driver at the moment."""


class ClusterEnded(RemoteError):
    """The cluster ended, or was restarted, while it was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What a stage asks the user; None without a terminal, and then the answer is no."""

    host_key: Callable[[Fingerprint], bool] | None = None
    """First contact with a driver: is this its host key?"""
    start: Callable[[ClusterState], bool] | None = None
    """The cluster is terminated: is it to be started?"""
    claim: Ask | None = None
    """Is what the repository names to be used?"""
    cluster: Callable[[Sequence[ClusterSummary], Fits], ClusterSummary | None] | None = None
    """Which of these clusters is meant, of those that fit?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhichCluster:
    """What a run and the mirror's folder say of the cluster, beside the configuration."""

    named: str | None = None
    """A name or id (`--cluster`)."""
    switch: bool = False
    """The mirror may become one of another cluster than its snapshot's."""
    pinned: Callable[[], Cluster | None] = lambda: None
    """The cluster of the mirror's snapshot."""
    via: Way | None = None
    """How its driver is read (`--via`); None for the first way that works."""


class ClusterAccess:
    """Everything here is looked up when it is first asked for, once. `resources` closes the connection.

    With `dry_run` no cluster is started, and no host key is pinned: an accepted one counts for this connection alone.
    """

    def __init__(
        self,
        mirror: str,
        section: MirrorConfig,
        *,
        which: WhichCluster = WhichCluster(),
        start_cluster: bool,
        accept_host_key: bool,
        known_hosts: Path | None = None,
        ca_bundle: Callable[[], Path | None] = lambda: None,
        timeout: float = PATIENCE,
        dry_run: bool = False,
        questions: Questions,
        observer: Observer,
        resources: ExitStack,
    ) -> None:
        self.mirror = mirror
        self.section = section
        self.profile = section.profile or profile_of(mirror)
        """The Databricks profile that the cluster is read with."""
        self._which = which
        self._start_cluster = start_cluster
        self._accept_host_key = accept_host_key
        self._no_way: HostError | None = None
        self._starts = PinnedStarts(pinned_starts_file())
        self._known_hosts = KnownHosts(known_hosts_file(), also=[known_hosts] if known_hosts else [])
        self._ca_bundle = ca_bundle
        self._timeout = timeout
        self.dry_run = dry_run
        self._questions = questions
        self._observer = observer
        self._resources = resources

    @cached_property
    def workspace(self) -> WorkspaceClient:
        """The workspace of the profile."""
        # The SDK takes a second to import, and many commands do without the workspace.
        from dbmirror.workspace.profiles import client  # noqa: PLC0415

        return client(self.profile, ca_bundle=self._ca_bundle())

    @cached_property
    def clusters(self) -> tuple[ClusterSummary, ...]:
        """All clusters of the workspace that the user sees."""
        from dbmirror.workspace.clusters import list_clusters  # noqa: PLC0415

        return list_clusters(self.workspace, self._login)

    @cached_property
    def summary(self) -> ClusterSummary:
        """The cluster that is mirrored, in whatever state it is."""
        via = self._which.via
        return self._choose(lambda cluster: cluster.can_snapshot and (via is None or via in cluster.ways))

    @cached_property
    def cluster_for_key(self) -> ClusterSummary:
        """The cluster that is to be mirrored once it has a key."""
        return self._choose(lambda cluster: cluster.needs_only_key)

    def _choose(self, fits: Fits) -> ClusterSummary:
        from dbmirror.workspace.choice import Wish, choose_cluster  # noqa: PLC0415

        w = self.workspace
        wish = Wish(
            mirror=self.mirror,
            option=self._which.named,
            section=self.section.cluster,
            pinned=self._which.pinned(),
            profile=w.config.cluster_id,
            switch=self._which.switch,
        )
        return choose_cluster(w, wish, login=self._login, fits=fits, ask=self._questions.cluster)

    @property
    def _login(self) -> Login:
        from dbmirror.workspace.mirrorable import Login  # noqa: PLC0415

        return Login(
            profile=self.profile,
            offered=self._offered,
            by_alias=self.section.ssh.host is not None,
            alias=self._alias,
        )

    @lru_cache  # noqa: B019 - as long as this object
    def _offered(self, address: str) -> frozenset[bytes] | None:
        return offered_at(self._target_at(address or _NOWHERE, name=""))

    @cached_property
    def cluster(self) -> ClusterState:
        """The cluster as the workspace states it now, running: started first if that was asked for.

        Raises ClusterNotRunning.
        """
        from dbmirror.workspace.clusters import read  # noqa: PLC0415
        from dbmirror.workspace.start_cluster import start  # noqa: PLC0415

        w = self.workspace
        state = read(w, self.summary.cluster_id)
        if state.runs:
            return state
        stopped = f"The cluster {state.cluster.cluster_name} ({state.cluster.cluster_id}) is {state.state.lower()}."
        if self.dry_run:
            raise ClusterNotRunning(
                stopped,
                remedy="A dry run starts no cluster: start it, or leave out --dry-run. "
                "To build from the last snapshot, add --frozen.",
            )
        ask = self._questions.start
        if self._start_cluster or (ask is not None and ask(state)):
            return start(w, self.summary.cluster_id, observer=self._observer)
        raise ClusterNotRunning(
            stopped,
            remedy="Start it, or let dbmirror start it: add --start. To build from the last snapshot, add --frozen.",
        )

    @cached_property
    def settled_cluster(self) -> ClusterState:
        """The running cluster once no library of it is on its way. Raises ClusterNotRunning, LibrariesNotSettled."""
        from dbmirror.workspace.settled import await_libraries  # noqa: PLC0415

        return await_libraries(self.workspace, self.cluster, observer=self._observer, deadline=self._timeout)

    def stated(self, cluster_id: str) -> Cluster:
        """The lasting facts of that cluster, in whatever state it is. Raises ClusterUnknown or WorkspaceError."""
        from dbmirror.workspace.clusters import read  # noqa: PLC0415

        return read(self.workspace, cluster_id).cluster

    @cached_property
    def target(self) -> SshTarget:
        """How the cluster's driver is reached. Raises DriverUnknown."""
        cluster, ssh = self.cluster, self.section.ssh
        address = self.ssh_host(cluster.cluster.cluster_id) or cluster.driver_address
        if address is None:
            raise DriverUnknown(
                f"The workspace states no address of the driver of {cluster.cluster.cluster_name}.",
                remedy=f"Name a host of your ssh config in [mirrors.{self.mirror}.ssh] of dbmirror.toml, for example "
                "the one that 'databricks ssh setup' makes.",
            )
        if address == cluster.driver_address and ssh.host is None and not self.dry_run:
            self._let_entry_follow(cluster.cluster.cluster_id, address)
        return self._target_at(
            address,
            name=cluster.cluster.cluster_name,
            alias=cluster.cluster.cluster_id,
        )

    def ssh_host(self, cluster_id: str) -> str | None:
        """The host of the user's ssh config that leads to the cluster: the one that the mirror's section names, else
        one whose ProxyCommand names the cluster, as `databricks ssh setup` makes it.
        """
        return self.section.ssh.host or self._alias(cluster_id)

    @lru_cache  # noqa: B019 - as long as this object
    def _alias(self, cluster_id: str) -> str | None:
        return alias_of(cluster_id, self._proxied_hosts)

    @cached_property
    def _proxied_hosts(self) -> tuple[tuple[str, str], ...]:
        return proxied_hosts()

    def _let_entry_follow(self, cluster_id: str, address: str) -> None:
        """A driver's address is another one after each start: plain `ssh` is to find it, too."""
        from dbmirror.workspace.ssh_entry import follow_address  # noqa: PLC0415

        if follow_address(self.mirror, cluster_id=cluster_id, address=address):
            self._observer.note(f"'ssh {self.mirror}' leads to the driver's present address, {address}.")

    def _target_at(self, address: str, *, name: str, alias: str | None = None) -> SshTarget:
        ssh = self.section.ssh
        return SshTarget(
            host=address,
            label=f"driver of {name}",
            port=ssh.port,
            user=ssh.user,
            identity_files=(ssh.identity_file,) if ssh.identity_file else (),
            profile=self.profile,
            host_key_alias=alias,
        )

    @cached_property
    def driver(self) -> Host:
        """The driver by the way that was asked for, else by the first that works. Raises SshError, ContextError.

        What was no way once is not tried again in this run: each of several packages would wait for it.
        """
        if self._no_way is not None:
            raise self._no_way
        try:
            if self._which.via is Way.SSH:
                return self.ssh
            if self._which.via is Way.API:
                return self.api
            return first_that_works(self._ssh_if_possible, lambda: self.api, observer=self._observer)
        except HostError as error:
            self._no_way = error
            raise

    @property
    def way(self) -> Way:
        """How `driver` is read."""
        return Way.SSH if self.driver is self.__dict__.get("ssh") else Way.API

    @cached_property
    def ssh(self) -> SshHost:
        """The one SSH connection to the driver. Raises SshError; HostKeyChanged says how to pin the new key."""
        target, cluster = self.target, self.cluster
        name = cluster.cluster.cluster_id
        before = self._starts.start(name)
        own_way = self.ssh_host(name) is not None
        patience = {} if self._which.via or own_way else {"patience": SECONDS_FOR_SSH}
        vouching = Vouching(
            keys=lambda: driver_keys(lambda: self.api, port=self.section.ssh.port or DRIVER_PORT),
            restarted=before is not None and before != cluster.start,
            all_keys=not own_way,
        )
        try:
            with _FIRST_CONTACT:
                host = connect(
                    target,
                    known_hosts=self._known_hosts,
                    confirm=self._questions.host_key,
                    accept_new=self._accept_host_key,
                    pin=not self.dry_run,
                    vouching=vouching,
                    observer=self._observer,
                    **patience,
                )
                if not self.dry_run:
                    self._starts.note(name, cluster.start)
        except HostKeyChanged as error:
            command = f"dbmirror ssh repin {self.mirror}"
            raise error.with_facts(started=cluster.started_at, command=command) from None
        return self._resources.enter_context(host)

    def started_anew(self, cluster_id: str) -> bool:
        """Whether the workspace states that the cluster runs since another start than its driver's pinned key is of.

        Raises DbmirrorError where the workspace cannot be asked.
        """
        from dbmirror.workspace.clusters import read  # noqa: PLC0415

        before = self._starts.start(cluster_id)
        if before is None:
            return False
        now = read(self.workspace, cluster_id)
        return now.runs and now.start != before

    def ended_meanwhile(self, error: HostError) -> ClusterEnded | None:
        """What the workspace says of a cluster that ran, and whose driver is lost with `error`; None if it still runs.

        None, too, where the workspace cannot be asked: then the error itself says most.
        """
        if not error.maybe_gone or "cluster" not in self.__dict__:
            return None
        from dbmirror.workspace.clusters import read  # noqa: PLC0415

        before = self.cluster
        try:
            now = read(self.workspace, before.cluster.cluster_id)
        except RemoteError:
            return None
        name = f"The cluster {now.cluster.cluster_name} ({now.cluster.cluster_id})"
        if not now.runs:
            said = f": {now.state_message.rstrip('.')}" if now.state_message else ""
            return ClusterEnded(
                f"{name} is {now.state.lower()} since, while dbmirror worked with it{said}. {error.message}",
                remedy="Start it and run this again, or add --start. To build from the last snapshot, add --frozen.",
            )
        if now.started_at != before.started_at:
            return ClusterEnded(
                f"{name} was restarted while dbmirror worked with it. {error.message}", remedy="Run this again."
            )
        return None

    def _ssh_if_possible(self) -> SshHost:
        """As `ssh`, without a try where the cluster has no key of the user's and the API is another way."""
        summary = self.summary
        if summary.no_ssh and Way.API in summary.ways and not summary.needs_start:
            raise NoSshWay(f"{summary.no_ssh}.")
        return self.ssh

    @cached_property
    def api(self) -> ContextHost:
        """The driver by commands that the workspace runs on it. Raises ContextError."""
        from dbmirror.workspace.command_execution import NotebookContext  # noqa: PLC0415

        cluster = self.cluster.cluster
        context = NotebookContext(self.workspace, cluster.cluster_id, cluster_name=cluster.cluster_name)
        return self._resources.enter_context(ContextHost(context))
