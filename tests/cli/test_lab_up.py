"""`lab up` of a mirror without an image does what is missing, after a question; nobody there to answer, it says how."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from dbmirror.cli import main
from dbmirror.config import load_config
from dbmirror.lock.mirror_lock import MirrorLock, write_mirror_lock
from dbmirror.mirror_folder.names import SNAPSHOT
from dbmirror.pipeline import line
from dbmirror.pipeline.line import Wanted, wanted_for_lab
from dbmirror.pipeline.mirror import Mirror
from dbmirror.snapshot import write_snapshot
from tests.builders import a_lock, a_snapshot


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the mirror `demo`, which is not there yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "home"))
    profiles = tmp_path / "profiles"
    profiles.write_text(
        "[demo]\nhost = https://127.0.0.1:9\ntoken = t\n[prod]\nhost = https://127.0.0.1:9\ntoken = t\n"
    )
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(profiles))
    monkeypatch.delenv("DATABRICKS_HOST", raising=False)
    return tmp_path / "mirrors" / "demo"


def opened() -> Mirror:
    return Mirror("demo", load_config(None))


@pytest.mark.usefixtures("folder")
def test_a_new_mirror_is_told_the_one_command() -> None:
    done = CliRunner().invoke(main, ["lab", "up", "demo"])
    assert done.exit_code == 2
    assert "demo has no image yet" in done.stderr
    assert done.stderr.count("'dbmirror ") == 1
    assert "'dbmirror lab up demo --build' builds it from the cluster and starts the lab." in done.stderr


@pytest.mark.usefixtures("folder")
def test_without_a_snapshot_or_a_lock_the_line_begins_at_the_cluster() -> None:
    assert wanted_for_lab(opened()) == Wanted()


def test_a_clone_is_built_from_its_lock(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = a_snapshot()
    write_snapshot(snapshot, folder / SNAPSHOT)
    assert wanted_for_lab(opened()) == Wanted()
    write_mirror_lock(MirrorLock(python=a_lock(snapshot=snapshot.digest)), folder)
    monkeypatch.setattr(line, "inspect_image", lambda _: None)
    assert wanted_for_lab(opened()) == Wanted(frozen=True)
    monkeypatch.setattr(line, "inspect_image", lambda _: object())
    assert wanted_for_lab(opened()) is None


@pytest.mark.usefixtures("folder")
def test_who_says_yes_gets_the_whole_chain() -> None:
    """The chain begins with the workspace, which is not there: so it is the chain's own error."""
    done = CliRunner().invoke(main, ["lab", "up", "demo", "--build"])
    assert done.exit_code == 3
    assert "The workspace https://127.0.0.1:9 cannot be reached" in done.stderr, done.stderr


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "words",
    [
        ["lab", "up", "prdo"],
        ["lab", "up", "prdo", "--dry-run"],
        ["lab", "status", "prdo"],
        ["build", "prdo"],
        ["verify", "prdo"],
        ["push", "prdo", "acr"],
        ["check", "prdo"],
        ["snapshot", "prdo"],
    ],
    ids=" ".join,
)
def test_a_name_that_nothing_has_is_answered_with_those_that_there_are(words: list[str]) -> None:
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert "There is no profile 'prdo'" in done.stderr
    assert "Known are the profiles demo, prod." in done.stderr
    assert "dbmirror" not in done.stderr.replace("dbmirror.toml", ""), "no command helps"


def test_a_section_s_profile_that_is_not_there_is_said_before_a_question(folder: Path) -> None:
    (folder.parents[1] / "dbmirror.toml").write_text("[mirrors.work]\nprofile = 'gone'\n")
    done = CliRunner().invoke(main, ["lab", "up", "work"])
    assert done.exit_code == 2
    assert "There is no profile 'gone'" in done.stderr
    assert "has no image yet" not in done.stderr
