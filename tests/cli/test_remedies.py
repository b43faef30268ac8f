"""A command that helps can be typed as it is printed: no MIRROR or PROFILE stands in it for the user to fill in."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import dbmirror
from dbmirror.cli import main
from dbmirror.errors import UsageError
from dbmirror.mirror_folder.names import BUILT, FATES, PYLOCK, RENV_LOCK, SNAPSHOT, VERIFICATION
from tests.cli.commands_page import commands

ARGUMENTS = {"package": "numpy", "targets": "acr", "kind": "github", "source": "driver:a", "target": "b"}


def of_a_mirror() -> list[list[str]]:
    """A command line for each command that takes a mirror."""
    lines = []
    for path, command in commands():
        arguments = [parameter for parameter in command.params if isinstance(parameter, click.Argument)]
        if any(argument.metavar == "MIRROR" for argument in arguments):
            words = ["prod" if each.metavar == "MIRROR" else ARGUMENTS.get(each.name or "", "") for each in arguments]
            lines.append([*path.split()[1:], *filter(None, words)])
    return lines


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a user works who has nothing yet; returns the folder of the mirror `prod`."""
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "DBMIRROR_HOME", "DOCKER_CONFIG"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    for name in ("DATABRICKS_CONFIG_FILE", "DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_CONFIG_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-engine")
    made = tmp_path / "mirrors" / "prod"
    made.mkdir(parents=True)
    return made


def remedy_of(*words: str) -> str:
    done = CliRunner().invoke(main, [*words, "--json"])
    assert done.exit_code, done.output
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    error = json.loads(done.stdout)["error"]
    return f"{error['message']} {error['remedy']}"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("words", of_a_mirror(), ids=" ".join)
def test_what_helps_a_user_who_has_nothing_yet_names_the_mirror(words: list[str]) -> None:
    assert not re.search(r"\b(MIRROR|PROFILE)\b", remedy_of(*words))


@pytest.mark.parametrize("name", [SNAPSHOT, PYLOCK, FATES, RENV_LOCK, BUILT, VERIFICATION])
@pytest.mark.parametrize("words", [["render"], ["verify"], ["explain"], ["diff"]], ids=" ".join)
def test_what_helps_with_a_damaged_file_names_the_mirror(folder: Path, name: str, words: list[str]) -> None:
    (folder / name).write_text("{")
    mirror = {"explain": ["prod", "numpy"], "diff": ["snapshot:prod", "image:prod"]}.get(words[0], ["prod"])
    assert not re.search(r"\b(MIRROR|PROFILE)\b", remedy_of(*words, *mirror))


def test_an_error_takes_the_name_of_the_mirror_that_it_leaves() -> None:
    error = UsageError("It is gone.", remedy="Make it with 'dbmirror lock MIRROR'; MIRRORS stay.")
    assert error.of_mirror("prod").remedy == "Make it with 'dbmirror lock prod'; MIRRORS stay."


@pytest.mark.parametrize("left", [r"dbmirror [a-z ]+ PROFILE", r"docker run .*\bIMAGE\b", r"\[mirrors\.NAME\.ssh\]"])
def test_no_command_in_the_code_leaves_a_name_to_the_reader_that_dbmirror_knows(left: str) -> None:
    found = [
        f"{path.name}: {line.strip()}"
        for path in Path(dbmirror.__file__).parent.rglob("*.py")
        for line in path.read_text().splitlines()
        if re.search(left, line)
    ]
    assert not found
