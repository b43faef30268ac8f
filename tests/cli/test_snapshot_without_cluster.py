"""`snapshot` and `build` with --from and --runtime: no cluster is asked, and what is not known is said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dbmirror.cli import main
from dbmirror.inventory.layers import Layer
from dbmirror.mirror_folder.names import SNAPSHOT
from dbmirror.snapshot import read_snapshot, write_snapshot
from tests.builders import a_distribution, a_snapshot


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the commands run: no profile is known there, and no workspace."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "home"))
    (tmp_path / "requirements.txt").write_text("simplejson==3.19.2\nrequests==2.31.0\npandas>=2\n")
    return tmp_path


def _run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


def _read(folder: Path, mirror: str) -> Any:
    return read_snapshot(folder / "mirrors" / mirror / SNAPSHOT)


def test_a_list_alone_is_a_snapshot_that_says_what_is_not_known(folder: Path) -> None:
    done = _run("snapshot", "reports", "--from", "requirements.txt")
    assert done.exit_code == 0, done.output
    snapshot = _read(folder, "reports")
    assert [(each.name, each.version) for each in snapshot.inventory.distributions] == [
        ("requests", "2.31.0"),
        ("simplejson", "3.19.2"),
    ]
    assert {"architecture", "debian_packages", "glibc", "jars", "python", "r_packages"} <= set(
        snapshot.inventory.unknown
    )
    assert not snapshot.cluster.is_known
    text = " ".join(done.output.split())
    assert "pandas (>=2), requirements.txt:3: >=2 is a range" in text
    assert "debian packages" in text
    assert "No runtime is named" in text

    locked = _run("lock", "reports")
    assert locked.exit_code == 2
    assert "does not say which runtime there is" in " ".join(locked.output.split())


def test_a_list_on_a_runtime_is_its_libraries_on_the_runtimes_own_packages(folder: Path) -> None:
    done = _run("snapshot", "reports", "--from", "requirements.txt", "--runtime", "15.4")
    assert done.exit_code == 0, done.output
    snapshot = _read(folder, "reports")
    inventory = snapshot.inventory
    assert snapshot.cluster.spark_version == "15.4.x-scala2.12"
    assert (inventory.python.version, inventory.os_version, inventory.glibc) == ("3.11.11", "22.04", "2.35")
    layers = {each.name: each.layer for each in inventory.distributions if each.name in {"simplejson", "numpy"}}
    assert layers == {"simplejson": Layer.CLUSTER, "numpy": Layer.RUNTIME}
    assert inventory.effective()["requests"].version == "2.31.0"
    assert "python" not in inventory.unknown


def test_the_same_sources_give_the_same_bytes(folder: Path) -> None:
    _run("snapshot", "one", "--runtime", "17.3")
    before = (folder / "mirrors" / "one" / SNAPSHOT).read_bytes()
    _run("snapshot", "one", "--runtime", "17.3")
    assert (folder / "mirrors" / "one" / SNAPSHOT).read_bytes() == before
    assert len(_read(folder, "one").inventory.distributions) == 229


def test_of_a_runtime_whose_list_is_not_known_it_says_what_is_missing(folder: Path) -> None:
    done = _run("build", "plain", "--runtime", "14.3", "--dry-run")
    assert done.exit_code == 2
    text = " ".join(done.output.split())
    assert "Which packages runtime 14.3 has is not known here" in text
    assert "13.3, 15.4, 15.4-ml, 17.3" in text
    assert _run("snapshot", "plain", "--from", "requirements.txt", "--runtime", "14.3").exit_code == 0


def test_another_mirrors_snapshot_is_taken_as_it_is(folder: Path) -> None:
    theirs = a_snapshot(a_distribution("numpy", "1.26.4"))
    write_snapshot(theirs, folder / "theirs.json")
    assert _run("snapshot", "mine", "--from", "theirs.json").exit_code == 0
    assert _read(folder, "mine") == theirs
    assert "Leave out --runtime" in _run("snapshot", "mine", "--from", "theirs.json", "--runtime", "15.4").output


def test_a_mirror_of_a_cluster_does_not_become_one_of_a_list_by_mistake(folder: Path) -> None:
    write_snapshot(a_snapshot(a_distribution("numpy", "1.26.4")), folder / "mirrors" / "demo" / SNAPSHOT)
    done = _run("snapshot", "demo", "--from", "requirements.txt")
    assert done.exit_code == 2
    assert "--switch-cluster" in done.output
    assert _run("snapshot", "demo", "--from", "requirements.txt", "--switch-cluster").exit_code == 0


def test_a_mirror_of_a_list_says_what_is_missing_when_its_cluster_is_asked(folder: Path) -> None:
    _run("snapshot", "reports", "--runtime", "15.4")
    done = _run("snapshot", "reports")
    assert done.exit_code == 2
    assert "is of runtime 15.4, and no profile of that name leads to a cluster" in " ".join(done.output.split())


@pytest.mark.usefixtures("folder")
def test_what_needs_a_cluster_says_that_there_is_none() -> None:
    _run("snapshot", "reports", "--runtime", "15.4")
    for words in (["check", "reports"], ["diff", "cluster:reports", "snapshot:reports"], ["lab", "up", "reports"]):
        done = _run(*words)
        assert done.exit_code == 2, done.output
        assert "is of runtime 15.4, and" in " ".join(done.output.split())


def test_frozen_and_all_refuse_what_would_make_another_snapshot(folder: Path) -> None:
    refused = _run("build", "reports", "--frozen", "--from", "requirements.txt")
    assert (refused.exit_code, "--from" in refused.output) == (2, True)
    assert "its own" not in refused.output
    every = _run("build", "--all", "--runtime", "17.3", "--json")
    assert every.exit_code in {2, 4}
    assert json.loads(every.stdout)["error"]


def _shown(cell: str, **variables: str) -> str:
    """What the cell prints, run by a Python of its own."""
    done = subprocess.run(
        [sys.executable, "-"],
        input=cell,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


def test_a_cell_is_printed_and_what_it_showed_is_a_snapshot(folder: Path) -> None:
    printed = _run("snapshot", "demo", "--cell")
    assert printed.exit_code == 0, printed.output
    assert not (folder / "mirrors").exists()
    variables = {"DATABRICKS_RUNTIME_VERSION": "15.4", "SPARK_SCALA_VERSION": "2.12", "DB_CLUSTER_ID": "0101-1-abc"}
    (folder / "shown.txt").write_text("Out[1]:\n" + _shown(printed.stdout, **variables))

    done = _run("snapshot", "demo", "--from", "shown.txt")
    assert done.exit_code == 0, done.output
    snapshot = _read(folder, "demo")
    assert (snapshot.cluster.cluster_id, snapshot.cluster.spark_version) == ("0101-1-abc", "15.4.x-scala2.12")
    assert snapshot.cluster.is_known
    assert {"libraries", "access_mode", "node_type"} <= set(snapshot.cluster.unknown)
    assert snapshot.inventory.distributions
    assert not snapshot.inventory.unknown
    assert snapshot.taken.host == "a notebook (shown.txt)"

    (folder / "cut.txt").write_text((folder / "shown.txt").read_text()[:-600])
    cut = _run("snapshot", "demo", "--from", "cut.txt")
    assert cut.exit_code == 2
    assert "The paste in cut.txt is cut" in cut.output
    assert "'dbmirror snapshot demo --cell' prints it" in " ".join(cut.output.split())
