"""The way to a mirror's cluster: its workspace, the cluster as it is now, and one SSH connection to its driver."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dbmirror.agreements import Ask
from dbmirror.config import MirrorConfig
from dbmirror.errors import RemoteError
from dbmirror.folders import known_hosts_file
from dbmirror.hosts.known_hosts import Fingerprint, KnownHosts
from dbmirror.hosts.ssh import SshHost, connect
from dbmirror.hosts.ssh_config import SshTarget
from dbmirror.hosts.ssh_errors import HostKeyChanged
from dbmirror.progress import Observer

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

    from dbmirror.workspace.clusters import ClusterState
    from dbmirror.workspace.mirrorable import ClusterSummary

_FIRST_CONTACT: Final = threading.Lock()
"""A pin is added to the file of known hosts by writing the whole file: two mirrors at a time would lose one."""


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
    claim: Ask | None = None
    """Is what the repository names to be used?"""


class ClusterAccess:
    """Everything here is looked up when it is first asked for, once. `resources` closes the connection.

    With `dry_run` no cluster is started, and no host key is pinned: an accepted one counts for this connection alone.
    """

    def __init__(
        self,
        mirror: str,
        section: MirrorConfig,
        *,
        start_cluster: bool,
        accept_host_key: bool,
        known_hosts: Path | None = None,
        dry_run: bool = False,
        questions: Questions,
        observer: Observer,
        resources: ExitStack,
    ) -> None:
        self.mirror = mirror
        self.section = section
        self.profile = section.profile or mirror
        """The Databricks profile that the cluster is read with."""
        self._start_cluster = start_cluster
        self._accept_host_key = accept_host_key
        self._known_hosts = KnownHosts(known_hosts_file(), also=[known_hosts] if known_hosts else [])
        self.dry_run = dry_run
        self._questions = questions
        self._observer = observer
        self._resources = resources

    @cached_property
    def workspace(self) -> WorkspaceClient:
        """The workspace of the profile."""
        # The SDK takes a second to import, and many commands do without the workspace.
        from dbmirror.workspace.profiles import client  # noqa: PLC0415

        return client(self.profile)

    @cached_property
    def summary(self) -> ClusterSummary:
        """The cluster that is mirrored, in whatever state it is."""
        from dbmirror.workspace.clusters import find_cluster  # noqa: PLC0415

        w = self.workspace
        return find_cluster(w, self.section.cluster, w.config.cluster_id)

    @cached_property
    def cluster(self) -> ClusterState:
        """The cluster as the workspace states it now, running: started first if that was asked for.

        Raises ClusterNotRunning.
        """
        from dbmirror.workspace.clusters import read  # noqa: PLC0415
        from dbmirror.workspace.start_cluster import start  # noqa: PLC0415

        w = self.workspace
        state = read(w, self.summary.cluster_id)
        if state.state in {"RUNNING", "RESIZING"}:
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
    def target(self) -> SshTarget:
        """How the cluster's driver is reached. Raises DriverUnknown."""
        cluster, ssh = self.cluster, self.section.ssh
        address = ssh.host or cluster.driver_address
        if address is None:
            raise DriverUnknown(
                f"The workspace states no address of the driver of {cluster.cluster.cluster_name}.",
                remedy=f"Name a host of your ssh config in [mirrors.{self.mirror}.ssh] of dbmirror.toml, for example "
                "the one that 'databricks ssh setup' makes.",
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
        """The one SSH connection to the driver. Raises SshError; HostKeyChanged says how to pin the new key."""
        target = self.target
        try:
            with _FIRST_CONTACT:
                host = connect(
                    target,
                    known_hosts=self._known_hosts,
                    confirm=self._questions.host_key,
                    accept_new=self._accept_host_key,
                    pin=not self.dry_run,
                    observer=self._observer,
                )
        except HostKeyChanged as error:
            command = f"dbmirror ssh repin {self.mirror}"
            raise error.with_facts(started=self.cluster.started_at, command=command) from None
        return self._resources.enter_context(host)
