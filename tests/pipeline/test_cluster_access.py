"""The way to a cluster: what a dry run leaves as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dbmirror.config import Config, LoadedConfig, MirrorConfig, SshConfig
from dbmirror.folders import known_hosts_file
from dbmirror.hosts.ssh_errors import ConnectionLost, HostSilent
from dbmirror.pipeline.cluster_access import ClusterAccess, ClusterEnded, ClusterNotRunning, Questions
from dbmirror.pipeline.mirror import Mirror
from dbmirror.progress import Observer
from tests.hosts.conftest import USER, Sshd, _start, login_key, sshd  # noqa: F401 - fixtures
from tests.workspace.conftest import TOKEN, Workspace, a_cluster, home, workspace, write_profiles  # noqa: F401

CLUSTER = "0101-120000-abcdefgh"


class Recorder(Observer):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def access(
    workspace: Workspace,  # noqa: F811
    write_profiles: Callable[[str], Path],  # noqa: F811
    sshd: Sshd,  # noqa: F811
    login_key: Path,  # noqa: F811
) -> Iterator[Callable[..., tuple[ClusterAccess, Recorder]]]:
    """Makes the way to the one cluster of the workspace, whose driver is the server on loopback."""
    write_profiles(f"[demo]\nhost = {workspace.host}\ntoken = {TOKEN}\ncluster_id = {CLUSTER}\n")
    workspace.clusters[CLUSTER] = a_cluster(CLUSTER)
    section = MirrorConfig(ssh=SshConfig(host="127.0.0.1", port=sshd.port, user=USER, identity_file=login_key))
    with ExitStack() as resources:

        def make(*, dry_run: bool, questions: Questions | None = None) -> tuple[ClusterAccess, Recorder]:
            recorder = Recorder()
            made = ClusterAccess(
                "demo",
                section,
                start_cluster=True,
                accept_host_key=questions is None,
                dry_run=dry_run,
                questions=questions or Questions(),
                observer=recorder,
                resources=resources,
            )
            return made, recorder

        yield make


Access = Callable[..., tuple[ClusterAccess, Recorder]]


def test_first_contact_pins_the_host_key(access: Access) -> None:
    way, recorder = access(dry_run=False)
    assert way.driver.run(["true"]).code == 0
    assert known_hosts_file().read_text().startswith(CLUSTER)
    assert recorder.notes[0].startswith(f"Pinned the host key of {CLUSTER}")


@pytest.mark.parametrize("questions", [None, Questions(host_key=lambda _: True)])
def test_first_contact_in_a_dry_run_says_what_it_would_pin(access: Access, questions: Questions | None) -> None:
    way, recorder = access(dry_run=True, questions=questions)
    assert way.driver.run(["true"]).code == 0
    assert not known_hosts_file().exists()
    assert recorder.notes[0].startswith(f"Would pin the host key of {CLUSTER}")


def test_a_dry_run_starts_no_cluster(access: Access, workspace: Workspace) -> None:  # noqa: F811
    workspace.clusters[CLUSTER]["state"] = "TERMINATED"
    way, _ = access(dry_run=True, questions=Questions(start=lambda _: True))
    with pytest.raises(ClusterNotRunning) as caught:
        _ = way.cluster
    assert "A dry run starts no cluster" in caught.value.remedy
    assert not [path for method, path, _ in workspace.requests if method == "POST"]


def lost(way: ClusterAccess, workspace: Workspace, **changes: object) -> ClusterEnded | None:  # noqa: F811
    """What is said of a cluster that ran, changed so, and whose driver is then lost."""
    assert way.cluster.state == "RUNNING"
    workspace.clusters[CLUSTER].update(changes)
    return way.ended_meanwhile(ConnectionLost("driver of analytics", "while 'sh' ran"))


def test_a_cluster_that_is_shut_down_meanwhile_is_named(access: Access, workspace: Workspace) -> None:  # noqa: F811
    way, _ = access(dry_run=False)
    ended = lost(way, workspace, state="TERMINATED", state_message="Terminated by a user.")
    assert ended is not None
    assert ended.message.startswith(
        f"The cluster analytics ({CLUSTER}) is terminated since, while dbmirror worked with it: Terminated by a user. "
        "The connection to driver of analytics was lost"
    )
    assert "--start" in ended.remedy


def test_a_cluster_that_is_restarted_meanwhile_is_named(access: Access, workspace: Workspace) -> None:  # noqa: F811
    way, _ = access(dry_run=False)
    ended = lost(way, workspace, start_time=1_863_632_800_000, last_restarted_time=1_863_632_800_000)
    assert ended is not None
    assert "was restarted while dbmirror worked with it" in ended.message


def test_a_connection_lost_to_a_cluster_that_runs_is_said_as_that(
    access: Access,
    workspace: Workspace,  # noqa: F811
) -> None:
    way, _ = access(dry_run=False)
    assert lost(way, workspace) is None


def test_a_mirror_whose_cluster_ends_during_its_work_says_so(access: Access, workspace: Workspace) -> None:  # noqa: F811
    way, _ = access(dry_run=False)
    mirror = Mirror("demo", LoadedConfig(config=Config(), origin=None, root=Path("/nonexistent")))
    mirror.__dict__["access"] = way

    def work() -> None:
        with mirror:
            assert mirror.access.cluster.state == "RUNNING"
            workspace.clusters[CLUSTER]["state"] = "TERMINATING"
            raise HostSilent("driver of analytics", "sh", 22.0)

    with pytest.raises(ClusterEnded, match="is terminating since"):
        work()
