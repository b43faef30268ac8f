"""What a command prints: results on stdout, everything else on stderr, one document with --json."""

from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner

from dbmirror.cli.options import command
from dbmirror.cli.output import Output
from dbmirror.errors import DbmirrorError, DockerError, RemoteError, UsageError


@click.command("show")
@click.option("--fail", type=click.Choice(["usage", "remote", "docker", "defect", "interrupt"]))
@command
def show(output: Output, fail: str | None) -> None:
    """Show."""
    with output.observing() as observer:
        observer.started("work", total=2)
        observer.advanced("work", "one [red]of[/red] two")
        observer.warn("a [bold]warning[/bold]")
        observer.finished("work", "all of it")
    output.document({"answer": 42})
    output.show("the answer is 42")
    errors: dict[str, type[DbmirrorError]] = {"usage": UsageError, "remote": RemoteError, "docker": DockerError}
    if fail in errors:
        raise errors[fail]("It went wrong.", remedy="Do it right.")
    if fail == "interrupt":
        raise KeyboardInterrupt
    if fail == "defect":
        raise ZeroDivisionError


def test_results_are_on_stdout_and_progress_on_stderr() -> None:
    done = CliRunner().invoke(show)
    assert done.stdout.strip() == "the answer is 42"
    assert "work: started (2 steps)" in done.stderr
    assert "work: done" in done.stderr


def test_text_is_never_read_as_markup() -> None:
    assert "a [bold]warning[/bold]" in CliRunner().invoke(show).stderr


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


def test_an_interrupt_ends_with_130() -> None:
    assert CliRunner().invoke(show, ["--fail", "interrupt"]).exit_code == 130


def test_a_defect_is_not_dressed_up_as_a_message() -> None:
    assert isinstance(CliRunner().invoke(show, ["--fail", "defect"]).exception, ZeroDivisionError)
