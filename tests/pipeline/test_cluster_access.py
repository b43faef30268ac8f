"""The way to a cluster: what a dry run leaves as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dbmirror.config import MirrorConfig, SshConfig
from dbmirror.folders import known_hosts_file
from dbmirror.pipeline.cluster_access import ClusterAccess, ClusterNotRunning, Questions
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
