"""A mirror stays with the cluster that its committed snapshot is of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dbmirror.config import Config, LoadedConfig
from dbmirror.mirror_folder.names import SNAPSHOT
from dbmirror.pipeline.mirror import Choices, Mirror
from dbmirror.snapshot import write_snapshot
from dbmirror.workspace.errors import ClusterReplaced
from tests.builders import a_cluster as cluster_facts
from tests.builders import a_snapshot
from tests.workspace.conftest import TOKEN, Workspace, a_cluster, home, workspace, write_profiles  # noqa: F401

FIRST, SECOND = "0101-120000-first", "0202-120000-second"


@pytest.fixture
def loaded(
    tmp_path: Path,
    workspace: Workspace,  # noqa: F811
    write_profiles: Callable[[str], Path],  # noqa: F811
) -> LoadedConfig:
    """A mirror with a snapshot of the first cluster, which is stopped; the second one runs."""
    write_profiles(f"[demo]\nhost = {workspace.host}\ntoken = {TOKEN}\n")
    workspace.clusters = {
        FIRST: a_cluster(FIRST, cluster_name="first", state="TERMINATED"),
        SECOND: a_cluster(SECOND, cluster_name="second"),
    }
    loaded = LoadedConfig(config=Config(), origin=None, root=tmp_path)
    folder = loaded.mirror_folder("demo")
    folder.mkdir(parents=True)
    snapshot = a_snapshot(cluster=cluster_facts(cluster_id=FIRST, cluster_name="first"))
    write_snapshot(snapshot, folder / SNAPSHOT)
    return loaded


def cluster_of(loaded: LoadedConfig, **choices: object) -> str:
    with Mirror("demo", loaded, choices=Choices(**choices)) as mirror:  # type: ignore[arg-type]
        return mirror.access.summary.cluster_id


def test_another_cluster_that_runs_is_not_taken(loaded: LoadedConfig) -> None:
    assert cluster_of(loaded) == FIRST


def test_a_snapshot_that_came_with_a_clone_pins_as_well_as_an_own_one(loaded: LoadedConfig, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    (clone / "mirrors" / "demo").mkdir(parents=True)
    committed = (loaded.mirror_folder("demo") / SNAPSHOT).read_bytes()
    (clone / "mirrors" / "demo" / SNAPSHOT).write_bytes(committed)
    assert cluster_of(LoadedConfig(config=Config(), origin=None, root=clone)) == FIRST


def test_another_cluster_is_named_with_the_commands_for_each_choice(loaded: LoadedConfig) -> None:
    with pytest.raises(ClusterReplaced) as raised:
        cluster_of(loaded, cluster="second")
    assert f"dbmirror snapshot demo --cluster {SECOND} --switch-cluster" in raised.value.remedy
    assert cluster_of(loaded, cluster="second", switch_cluster=True) == SECOND
