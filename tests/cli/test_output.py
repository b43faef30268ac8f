"""What a command prints: results on stdout, everything else on stderr, one document with --json."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from dbmirror.cli import main
from dbmirror.cli.options import command
from dbmirror.cli.output import Output
from dbmirror.cli.tables import table
from dbmirror.errors import DbmirrorError, DockerError, RemoteError, UsageError


@click.command("show")
@click.option("--fail", type=click.Choice(["usage", "remote", "docker", "defect", "interrupt", "abort"]))
@click.option("--text", default="")
@command
def show(output: Output, fail: str | None, text: str) -> None:
    """Show."""
    with output.observing() as observer:
        observer.started("work", total=2)
        observer.advanced("work", "one [red]of[/red] two")
        observer.warn("a [bold]warning[/bold]")
        observer.finished("work", text or "all of it")
    output.document({"answer": 42})
    output.show("the answer is 42")
    if text:
        output.show(text)
        output.show(table("NAME", rows=[[text]]))
        output.say(text)
    errors: dict[str, type[DbmirrorError]] = {"usage": UsageError, "remote": RemoteError, "docker": DockerError}
    if fail in errors:
        raise errors[fail](f"It went wrong{text and ': '}{text}.", remedy="Do it right.")
    if fail == "interrupt":
        raise KeyboardInterrupt
    if fail == "abort":
        raise click.Abort
    if fail == "defect":
        raise ZeroDivisionError


def test_results_are_on_stdout_and_progress_on_stderr() -> None:
    done = CliRunner().invoke(show)
    assert done.stdout.strip() == "the answer is 42"
    assert "work: started (2 steps)" in done.stderr
    assert "work: done" in done.stderr


def test_text_is_never_read_as_markup() -> None:
    assert "a [bold]warning[/bold]" in CliRunner().invoke(show).stderr


def test_a_name_in_brackets_is_shown_as_it_is_in_results_and_progress() -> None:
    done = CliRunner().invoke(show, ["--text", "team [/prod] :bug: [red]x"])
    assert done.exit_code == 0
    assert "team [/prod] :bug: [red]x" in done.stdout
    assert "work: done in 0.0 s, team [/prod] :bug: [red]x" in done.stderr


def test_nothing_that_a_cluster_says_reaches_the_terminal_as_a_command_to_it() -> None:
    hostile = "a\x1b]0;title\x07b\x1b[2Jc\x9b1md\u202ee\rf"
    done = CliRunner().invoke(show, ["--text", hostile, "--fail", "usage"])
    printed = done.stdout + done.stderr
    assert "".join(printed.split()).count("a]0;titleb[2Jc1mdef") == 5
    assert not [character for character in printed if character in "\x1b\x07\x9b\u202e\r"]


def test_the_programs_own_colours_still_reach_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[1;31merror:" in CliRunner().invoke(show, ["--fail", "usage"]).stderr


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_reader_that_leaves_does_not_change_the_exit_code(options: list[str]) -> None:
    program = "from tests.cli.test_output import show; show()"
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", program, "--fail", "remote", *options],
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert done.returncode == 3
    assert b"Traceback" not in done.stderr


def test_json_is_one_document_and_nothing_else() -> None:
    done = CliRunner().invoke(show, ["--json"])
    document = json.loads(done.stdout)
    assert document["answer"] == 42
    assert document["schema"] == 1


@pytest.mark.parametrize(("fail", "code"), [("usage", 2), ("remote", 3), ("docker", 4)])
def test_an_error_is_one_message_with_its_remedy_and_its_exit_code(fail: str, code: int) -> None:
    done = CliRunner().invoke(show, ["--fail", fail])
    assert done.exit_code == code
    assert "error: It went wrong." in done.stderr
    assert "Do it right." in done.stderr


def test_with_json_the_error_stands_in_the_same_document_as_the_result() -> None:
    document = json.loads(CliRunner().invoke(show, ["--json", "--fail", "remote"]).stdout)
    assert document["answer"] == 42
    assert document["error"] == {"message": "It went wrong.", "remedy": "Do it right.", "exit_code": 3}


@pytest.mark.parametrize("how", ["interrupt", "abort"])
def test_an_interrupt_at_work_or_at_a_question_ends_with_130(how: str) -> None:
    assert CliRunner().invoke(show, ["--fail", how]).exit_code == 130


def test_an_interrupt_while_a_commands_module_is_loaded_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dbmirror.cli.import_module", interrupted)
    done = CliRunner().invoke(main, ["doctor"])
    assert done.exit_code == 130
    assert "Interrupted" in done.stderr


def test_a_defect_is_not_dressed_up_as_a_message() -> None:
    assert isinstance(CliRunner().invoke(show, ["--fail", "defect"]).exception, ZeroDivisionError)
