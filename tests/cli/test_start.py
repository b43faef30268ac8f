"""Help, version and completion answer at once: none of them imports what only the commands need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dbmirror import __version__
from tests.cli.commands_page import commands

PROGRAM = """
import sys
from pathlib import Path
from dbmirror.cli import main
for words in {lines!r}:
    try:
        main(words.split(), prog_name="dbmirror")
    except SystemExit as end:
        assert not end.code, words
    print()
names = dict.fromkeys(name.partition(".")[0] for name in sys.modules)
print("imported:", *sorted(set(names) - set(sys.stdlib_module_names)))
print("rooms:", *sorted({{name.split(".")[1] for name in sys.modules if name.startswith("dbmirror.")}}))
"""
"""Runs command lines in one process, then says what they imported."""


def run(*lines: str, **variables: str) -> list[str]:
    """What is printed when `lines` were run: the last two say what was imported."""
    program = [sys.executable, "-c", PROGRAM.format(lines=lines)]
    done = subprocess.run(program, capture_output=True, text=True, check=False, env={**os.environ, **variables})
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def of_the_environment() -> set[str]:
    """What every Python of this environment imports: hooks of editable packages and of setuptools."""
    program = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    return set(said.split())


@pytest.mark.parametrize(
    "lines",
    [
        ["--help"],
        ["--version"],
        [f"{path.removeprefix('dbmirror ')} --help" for path, _ in commands()],
        ["lab --help", "ssh --help", "sandbox --help", "filter --help"],
    ],
    ids=["overview", "version", "every command", "families"],
)
def test_a_help_page_imports_click_and_the_command_line_alone(lines: list[str]) -> None:
    said = run(*lines)
    assert set(said[-2].split()[1:]) - of_the_environment() == {"click", "dbmirror"}
    assert said[-1] == "rooms: cli errors"


def test_what_needs_no_workspace_does_not_import_the_sdk() -> None:
    rooms = ["cli.session", "cli.status_tables", "lab.stack", "pipeline.line", "publish.gate", "sandbox.lifecycle"]
    program = (
        "import importlib, sys\n"
        f"for room in {rooms}:\n"
        "    importlib.import_module(f'dbmirror.{room}')\n"
        "    print(room, {'databricks', 'cyclonedx'} & set(sys.modules))\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said == "".join(f"{room} set()\n" for room in rooms)


def test_what_prints_does_not_import_what_builds() -> None:
    program = (
        "import sys, dbmirror.cli.output; print({'docker', 'pydantic', 'paramiko', 'requests'} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said == "set()\n"


def completed(line: str) -> list[str]:
    """What a TAB at the end of `line` offers."""
    words = line.split(" ")
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "dbmirror"],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "_DBMIRROR_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        },
    )
    imported = {row.rpartition("|")[2].strip().partition(".")[0] for row in done.stderr.splitlines()}
    assert imported - set(sys.stdlib_module_names) - of_the_environment() - {
        "imported package",
        "sitecustomize",
        "usercustomize",
    } <= {
        "click",
        "dbmirror",
    }
    return [offer.partition(",")[2] for offer in done.stdout.splitlines()]


def test_a_tab_offers_verbs_and_options() -> None:
    assert completed("dbmirror bu") == ["build"]
    assert completed("dbmirror lab s") == ["shell", "status", "sync"]
    assert completed("dbmirror build --fro") == ["--from", "--frozen"]
    assert "profiles" in completed("dbmirror ")
    assert completed("dbmirror sandbox up --reg") == ["--registry"]
    assert completed("dbmirror filter show wh") == ["whitelist"]


def test_the_package_itself_is_a_program() -> None:
    done = subprocess.run([sys.executable, "-m", "dbmirror", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"dbmirror, version {__version__}\n"
    done = subprocess.run(
        [sys.executable, "-m", "dbmirror", "build", "--json"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, '"command": "build"' in done.stdout) == (2, True)


@pytest.mark.parametrize("words", ["--help", "--version", "build --help", "lab --help"])
def test_a_full_disk_ends_a_help_page_with_a_message(words: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "dbmirror", *words.split()],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == "error: The help cannot be written to stdout: No space left on device.\n"


def test_a_snapshot_is_taken_without_the_rooms_that_come_after_it() -> None:
    code = (
        "import sys\nimport dbmirror.cli.session, dbmirror.cli.snapshot_table, dbmirror.pipeline.snapshot_stage\n"
        "import dbmirror.workspace.settled\n"
        "print([name for name in sys.modules if name in {'docker', 'pypi_simple', 'jinja2', 'dbmirror.lock', "
        "'dbmirror.verify', 'dbmirror.render', 'dbmirror.build', 'dbmirror.publish', 'dbmirror.package_lists'}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
