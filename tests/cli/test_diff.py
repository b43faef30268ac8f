"""`diff` and `check` compare what is mirrored: the chosen notebook's packages, and what two places can share."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from dbmirror.cli import main
from dbmirror.cli.compare import diff_command
from dbmirror.inventory.model import DebianPackage
from dbmirror.lock.mirror_lock import MirrorLock, write_mirror_lock
from dbmirror.mirror_folder.names import SNAPSHOT
from dbmirror.pipeline.compared_places import SECTIONS
from dbmirror.snapshot import read_snapshot, write_snapshot
from tests.builders import a_distribution, a_fate, a_lock, a_locked_package, a_snapshot, an_inventory, an_r_package

NOTEBOOKS = ("/local_disk0/.ephemeral_nfs/envs/rEnv-1", "/local_disk0/.ephemeral_nfs/envs/rEnv-2")


def test_the_chosen_notebooks_version_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "home"))
    (tmp_path / "dbmirror.toml").write_text(f'[mirrors.two]\nnotebook_environment = "{NOTEBOOKS[1]}"\n')
    site = an_r_package("jsonlite", "1.8.0", "/usr/local/lib/R/site-library")
    copies = [an_r_package("jsonlite", f"1.9.{number}", library) for number, library in enumerate(NOTEBOOKS)]
    for name, packages in {"one": (site,), "two": (*copies, site)}.items():
        inventory = an_inventory(r_packages=packages)
        write_snapshot(a_snapshot(inventory=inventory), tmp_path / "mirrors" / name / SNAPSHOT)

    done = CliRunner().invoke(main, ["diff", "snapshot:one", "snapshot:two", "--json"])

    assert done.exit_code == 1
    changed = json.loads(done.stdout)["sections"]["r"]["changed"]
    assert changed == [{"name": "jsonlite", "a": "1.8.0", "b": "1.9.1"}]


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two mirrors whose snapshots differ by a Debian package; returns the folder to work in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "home"))
    same = (a_distribution("numpy", "1.26.4"),)
    for name, packages in {"one": (DebianPackage(name="curl", version="1"),), "two": ()}.items():
        inventory = an_inventory(*same, debian_packages=packages)
        write_snapshot(a_snapshot(inventory=inventory), tmp_path / "mirrors" / name / SNAPSHOT)
    return tmp_path


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize(
    ("only", "code"), [([], 1), (["debian"], 1), (["python"], 0), (["python", "r"], 0), (["jars", "debian"], 1)]
)
def test_only_what_is_asked_for_is_compared(only: list[str], code: int) -> None:
    words = [word for name in only for word in ("--only", name)]
    done = CliRunner().invoke(main, ["diff", "snapshot:one", "snapshot:two", *words, "--json"])
    assert done.exit_code == code, done.output
    assert set(json.loads(done.stdout)["sections"]) == set(only or SECTIONS)


@pytest.mark.usefixtures("two")
def test_of_this_environment_the_python_packages_are_compared() -> None:
    done = CliRunner().invoke(main, ["diff", "snapshot:one", "environment", "--json"])
    assert list(json.loads(done.stdout)["sections"]) == ["python"]


def test_what_a_lock_installs_equals_the_same_pins(two: Path) -> None:
    folder = two / "mirrors" / "one"
    snapshot = read_snapshot(folder / SNAPSHOT)
    kept = a_fate("numpy", "1.26.4", layer=snapshot.inventory.distributions[0].layer)
    write_mirror_lock(
        MirrorLock(python=a_lock(a_locked_package("numpy", "1.26.4"), snapshot=snapshot.digest, fates=(kept,))), folder
    )
    (two / "pins.txt").write_text("NumPy==1.26.4\n")
    done = CliRunner().invoke(main, ["diff", "lock:one", "pins.txt", "--json"])
    assert done.exit_code == 0, done.output


def test_a_requirements_file_has_no_debian_packages(two: Path) -> None:
    (two / "pins.txt").write_text("numpy==1.26.4\n")
    done = CliRunner().invoke(main, ["diff", "snapshot:one", "pins.txt", "--only", "debian"])
    assert done.exit_code == 2
    assert "pins.txt says nothing about debian." in done.stderr


def test_a_range_has_a_row_of_its_own_and_ends_nothing(two: Path) -> None:
    (two / "some.txt").write_text("NumPy>=1.26,<2\n")
    done = CliRunner().invoke(main, ["diff", "some.txt", "snapshot:one", "--json"])
    assert done.exit_code == 0, done.output
    (row,) = json.loads(done.stdout)["sections"]["python"]["allowed"]
    assert row == {"name": "numpy", "a": "<2,>=1.26", "b": "1.26.4"}


def test_markers_speak_of_the_python_that_a_list_is_compared_with(two: Path) -> None:
    (two / "pins.txt").write_text('numpy==1.26.4; python_version >= "3.11"\nnumpy==1.24.4; python_version < "3.11"\n')
    assert CliRunner().invoke(main, ["diff", "pins.txt", "snapshot:one"]).exit_code == 0


@pytest.mark.parametrize("profile", ["PROD-EU", "My Team's", "DEFAULT"])
def test_a_place_is_named_by_a_profile_of_any_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DATABRICKS_CONFIG_FILE", raising=False)
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "home"))
    (tmp_path / ".databrickscfg").write_text(f"[{profile}]\nhost = https://one.example\ntoken = x\n")
    mirror = {"PROD-EU": "prod-eu", "My Team's": "my-team-s", "DEFAULT": "default"}[profile]
    write_snapshot(a_snapshot(a_distribution("numpy", "1.26.4")), tmp_path / "mirrors" / mirror / SNAPSHOT)
    (tmp_path / "pins.txt").write_text("numpy==1.26.4\n")
    done = CliRunner().invoke(main, ["diff", f"snapshot:{profile}", "pins.txt"])
    assert done.exit_code == 0, done.output


def test_every_section_can_be_asked_for() -> None:
    option = next(each for each in diff_command.params if each.name == "only")
    assert isinstance(option.type, click.Choice)
    assert tuple(option.type.choices) == SECTIONS
