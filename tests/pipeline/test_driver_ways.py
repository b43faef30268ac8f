"""The ways to a driver: a real sshd and a real Python in contexts of the stand-in workspace, behind one cluster."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from dbmirror.config import MirrorConfig, SshConfig
from dbmirror.folders import known_hosts_file, pinned_starts_file
from dbmirror.hosts.context_errors import CommandsForbidden
from dbmirror.hosts.host_key import HostKey, parse_public_key
from dbmirror.hosts.known_hosts import KnownHosts
from dbmirror.hosts.pinned_starts import PinnedStarts, start_mark
from dbmirror.hosts.ssh_errors import ConnectionRefused, HostKeyChanged, HostKeyForeign, HostKeyUnknown
from dbmirror.pipeline.cluster_access import ClusterAccess, Questions, WhichCluster
from dbmirror.pipeline.driver_ways import Way
from dbmirror.progress import Observer
from dbmirror.sandbox.workspace import catalogue
from dbmirror.sandbox.workspace.api import Api
from dbmirror.sandbox.workspace.contexts import Contexts
from dbmirror.sandbox.workspace.fleet import Fleet
from dbmirror.sandbox.workspace.server import Workspace, serve
from tests.hosts.conftest import USER, Sshd, _start, free_port, left_running, login_key, make_key, sshd, start_sshd  # noqa: F401
from tests.workspace.conftest import home  # noqa: F401 - a home of the test's own

DEMO = "1120-081500-demo0000"


class Recorder(Observer):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


class Loopback:
    """Machines whose drivers are this machine, at an address of the test's choice."""

    address = "127.0.0.1"

    def boot(self, cluster_id: str, *, public_keys: Sequence[str]) -> str:
        return self.address

    def stop(self, cluster_id: str) -> None:
        pass


class Cluster:
    """A running cluster, and the ways to it."""

    def __init__(self, sshd: Sshd, login_key: Path, resources: ExitStack) -> None:  # noqa: F811
        self.machines = Loopback()
        public = login_key.with_suffix(".pub").read_text().strip()
        self.fleet = Fleet(catalogue.clusters(public, first_id=DEMO), self.machines, pause=lambda _: None)
        self.contexts = Contexts(self.fleet, lambda _, argv: argv, python=sys.executable)
        self.ssh = SshConfig(port=sshd.port, user=USER, identity_file=login_key)
        self.recorder = Recorder()
        self._resources = resources

    def access(
        self,
        *,
        via: Way | None = None,
        questions: Questions | None = None,
        **options: Any,
    ) -> ClusterAccess:
        return ClusterAccess(
            "demo",
            MirrorConfig(ssh=self.ssh),
            which=WhichCluster(via=via),
            start_cluster=False,
            accept_host_key=False,
            questions=questions or Questions(),
            observer=self.recorder,
            resources=self._resources,
            **options,
        )

    def present_start(self) -> str:
        return start_mark(self.fleet.get(DEMO))


@pytest.fixture
def cluster(sshd: Sshd, login_key: Path, home: Path) -> Iterator[Cluster]:  # noqa: F811
    threads = threading.enumerate()
    with ExitStack() as resources:
        made = Cluster(sshd, login_key, resources)
        resources.callback(made.contexts.close)
        workspace = Workspace(
            token="dapi-of-a-test",
            api=Api(made.fleet, [], made.contexts),
            fleet=made.fleet,
            files={},
            image=lambda: None,
            open_with=lambda _: None,
            stop=lambda: None,
        )
        for server in serve(workspace, addresses=["127.0.0.1"], port=0):
            resources.callback(server.server_close)
            resources.callback(server.shutdown)
            port = server.server_address[1]
        profile = f"[demo]\nhost = http://127.0.0.1:{port}\ntoken = dapi-of-a-test\ncluster_id = {DEMO}\n"
        (home / ".databrickscfg").write_text(profile)
        made.fleet.open()
        yield made
    assert left_running(threads) == []


def known() -> KnownHosts:
    return KnownHosts(known_hosts_file())


def another_key(folder: Path) -> HostKey:
    key = parse_public_key(make_key(folder / "another").with_suffix(".pub").read_text())
    assert key is not None
    return key


# Which way is taken.


def test_ssh_is_the_first_way_and_asks_nothing_of_the_api_once_its_key_is_pinned(
    cluster: Cluster,
    sshd: Sshd,  # noqa: F811
) -> None:
    known().pin(DEMO, sshd.public_key)
    way = cluster.access()
    assert way.driver.run(["echo", "hello"]).stdout == b"hello\n"
    assert way.way is Way.SSH
    assert cluster.contexts.open_on(DEMO) == 0
    assert PinnedStarts(pinned_starts_file()).start(DEMO) == cluster.present_start()


def test_where_ssh_is_closed_the_api_is_the_way_and_that_is_said(cluster: Cluster) -> None:
    cluster.ssh = SshConfig(port=free_port(), user=USER, identity_file=cluster.ssh.identity_file)
    way = cluster.access()
    assert way.driver.run(["echo", "hello"]).stdout == b"hello\n"
    assert way.way is Way.API
    assert "by the workspace's API, for SSH does not work" in cluster.recorder.notes[-1]
    assert "connection refused" in cluster.recorder.notes[-1]


def test_a_cluster_without_a_key_of_the_users_is_read_by_the_api_at_once(cluster: Cluster, home: Path) -> None:  # noqa: F811
    own = make_key(home / ".ssh" / "id_other")
    cluster.ssh = SshConfig(port=cluster.ssh.port, user=USER, identity_file=own)
    assert cluster.access().way is Way.API
    assert "none of the keys that you have is on it" in cluster.recorder.notes[-1]


def test_a_way_that_is_named_is_the_only_one(cluster: Cluster) -> None:
    assert cluster.access(via=Way.API).way is Way.API
    cluster.ssh = SshConfig(port=free_port(), user=USER, identity_file=cluster.ssh.identity_file)
    with pytest.raises(ConnectionRefused):
        _ = cluster.access(via=Way.SSH).driver


def test_where_no_way_works_both_reasons_are_said(cluster: Cluster) -> None:
    cluster.fleet._clusters[DEMO].specification["single_user_name"] = "somebody@else.example"
    cluster.ssh = SshConfig(port=free_port(), user=USER, identity_file=cluster.ssh.identity_file)
    way = cluster.access()
    with pytest.raises(ConnectionRefused) as caught:
        _ = way.driver
    assert "The workspace's API is no other way" in caught.value.remedy
    assert "somebody@else.example" in caught.value.remedy
    with pytest.raises(ConnectionRefused) as again:
        _ = way.driver
    assert again.value is caught.value, "it is not tried for each package that is to be captured"
    with pytest.raises(CommandsForbidden):
        _ = cluster.access(via=Way.API).driver


# The workspace vouches for the driver's host key.


def test_at_first_contact_the_workspace_vouches_and_nobody_is_asked(cluster: Cluster, sshd: Sshd) -> None:  # noqa: F811
    def ask(_: object) -> bool:
        raise AssertionError("nobody is to be asked")

    way = cluster.access(questions=Questions(host_key=ask))
    assert way.driver.run(["true"]).code == 0
    assert way.way is Way.SSH
    assert known().keys(DEMO) == (sshd.public_key,)
    assert "The workspace vouches for it" in cluster.recorder.notes[-1]


def test_after_a_restart_that_the_workspace_states_the_new_key_is_pinned(
    cluster: Cluster,
    sshd: Sshd,  # noqa: F811
    tmp_path: Path,
) -> None:
    known().pin(DEMO, another_key(tmp_path))
    PinnedStarts(pinned_starts_file()).note(DEMO, cluster.present_start())
    with pytest.raises(HostKeyChanged) as caught:
        _ = cluster.access().driver
    assert "dbmirror ssh repin demo" in caught.value.remedy
    assert cluster.contexts.open_on(DEMO) == 0, "without a restart nothing can make a new key right"

    assert not cluster.access().started_anew(DEMO)
    cluster.fleet.restart(DEMO)
    wait_until_running(cluster)
    assert cluster.access().started_anew(DEMO)
    assert cluster.access().way is Way.SSH
    assert not cluster.access().started_anew(DEMO)
    assert known().keys(DEMO) == (sshd.public_key,)
    assert "which was started anew since" in cluster.recorder.notes[-1]
    assert PinnedStarts(pinned_starts_file()).start(DEMO) == cluster.present_start()


def test_a_pin_of_which_no_start_is_known_does_not_change_by_itself(cluster: Cluster, tmp_path: Path) -> None:
    other = another_key(tmp_path)
    known().pin(DEMO, other)
    cluster.fleet.restart(DEMO)
    wait_until_running(cluster)
    with pytest.raises(HostKeyChanged):
        _ = cluster.access().driver
    assert known().keys(DEMO) == (other,)


@pytest.mark.parametrize("pinned", [False, True], ids=["first contact", "after a restart"])
def test_another_server_at_the_drivers_address_is_refused(
    cluster: Cluster,
    sshd: Sshd,  # noqa: F811
    start_sshd: Callable[..., Sshd],  # noqa: F811
    pinned: bool,
) -> None:
    start_sshd(f"ListenAddress 127.0.0.2:{sshd.port}")
    if pinned:
        known().pin(DEMO, sshd.public_key)
        PinnedStarts(pinned_starts_file()).note(DEMO, cluster.present_start())
    cluster.machines.address = "127.0.0.2"
    cluster.fleet.restart(DEMO)
    wait_until_running(cluster)
    with pytest.raises(HostKeyForeign) as caught:
        _ = cluster.access(questions=Questions(host_key=lambda _: True)).driver
    assert str(sshd.public_key.fingerprint(DEMO)) in caught.value.message
    assert caught.value.of_mirror("demo").remedy.endswith("dbmirror snapshot demo --via api")
    assert known().keys(DEMO) == ((sshd.public_key,) if pinned else ())


def test_where_the_api_runs_no_command_first_contact_is_as_before(cluster: Cluster, sshd: Sshd) -> None:  # noqa: F811
    cluster.fleet._clusters[DEMO].specification["data_security_mode"] = "USER_ISOLATION"
    with pytest.raises(HostKeyUnknown):
        _ = cluster.access().driver
    assert cluster.access(questions=Questions(host_key=lambda _: True)).way is Way.SSH
    assert known().keys(DEMO) == (sshd.public_key,)


def test_a_dry_run_pins_nothing(cluster: Cluster) -> None:
    assert cluster.access(dry_run=True).way is Way.SSH
    assert "Would pin" in cluster.recorder.notes[-1]
    assert not known_hosts_file().exists()
    assert not pinned_starts_file().exists()


def wait_until_running(cluster: Cluster) -> None:
    deadline = time.monotonic() + 10
    while cluster.fleet.get(DEMO)["state"] != "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.01)
