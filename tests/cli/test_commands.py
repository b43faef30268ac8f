"""Every command is documented, has an example, and speaks JSON."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from dbmirror.cli import main
from dbmirror.cli.verbs import VERBS
from dbmirror.filters.flavour import Flavour
from dbmirror.filters.lists import NAMES as LISTS
from dbmirror.render.workflows import WORKFLOW_KINDS
from tests.cli.commands_page import commands, page

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"


def test_the_page_of_commands_has_every_option_of_every_command(pytestconfig: pytest.Config) -> None:
    if pytestconfig.getoption("--refresh-golden"):
        PAGE.write_text(page())
    assert PAGE.read_text() == page(), "run `make golden`"


@pytest.mark.parametrize("name", list(VERBS))
def test_a_line_of_the_overview_is_how_the_help_begins(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert " ".join(str(command.help).split()).startswith(VERBS[name].summary.rstrip(".?"))


def choices(path: str, parameter: str) -> set[str]:
    command = dict(commands())[path]
    (found,) = (each for each in command.params if each.name == parameter)
    assert isinstance(found.type, click.Choice)
    return set(found.type.choices)


def test_what_can_be_chosen_is_what_there_is() -> None:
    assert choices("dbmirror ci", "kind") == set(WORKFLOW_KINDS)
    assert choices("dbmirror filter show", "name") == set(LISTS)
    assert choices("dbmirror build", "flavour") == set(Flavour)


@pytest.mark.parametrize(("path", "command"), [pytest.param(*each, id=each[0]) for each in commands()])
def test_every_command_has_an_example_that_names_it_and_speaks_json(path: str, command: click.Command) -> None:
    assert command.help
    assert re.search(rf"Examples?:\n(.*\n)*?.*{re.escape(path)}\b", command.help.replace("\b", "")), command.help
    assert "--json" in [option for parameter in command.params for option in parameter.opts]
    shown = CliRunner().invoke(command, ["--help"])
    assert shown.exit_code == 0


def test_an_unknown_command_is_a_usage_error() -> None:
    assert CliRunner().invoke(main, ["mirror"]).exit_code == 2


def test_the_version_is_said() -> None:
    assert re.fullmatch(r"dbmirror, version \d+\.\d+\.\d+\n", CliRunner().invoke(main, ["--version"]).output)


@pytest.mark.parametrize("option", [("--whitelist",), ("--base", "debian:12"), ("--refresh",), ("--no-capture",)])
def test_a_frozen_build_refuses_what_would_change_the_lock(option: tuple[str, ...]) -> None:
    done = CliRunner().invoke(main, ["build", "demo", "--frozen", *option])
    assert done.exit_code == 2
    assert option[0] in done.stderr


@pytest.mark.parametrize("wrong", ["--stat", "--star", "--starts"])
def test_a_wrong_option_is_never_answered_with_one_that_starts_a_paid_cluster(wrong: str) -> None:
    answered = CliRunner().invoke(main, ["snapshot", "demo", wrong])
    assert answered.exit_code == 2
    assert wrong in answered.output
    assert not re.search(r"--start\b", answered.output)


def test_a_wrong_option_is_answered_with_the_one_that_is_meant() -> None:
    assert "--cluster" in CliRunner().invoke(main, ["snapshot", "demo", "--clustr", "x"]).output
