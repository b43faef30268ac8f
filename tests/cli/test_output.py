"""What a command prints: results on stdout, everything else on stderr, one document with --json."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from dbmirror.cli import main
from tests.cli.show import show


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


def run(*arguments: str, redirect: str = "", **streams: Any) -> subprocess.CompletedProcess[str]:
    """Run the program; `redirect` is what a shell does with its streams."""
    program = [sys.executable, str(Path(__file__).with_name("show.py")), "show", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    return subprocess.run(["sh", "-c", f'exec "$@" {redirect}', "sh", *program], text=True, check=False, **pipes)


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_reader_that_leaves_does_not_change_the_exit_code(options: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = run("--fail", "remote", *options, stdout=writer)
    os.close(writer)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("redirect", [">&-", "2>&-", "<&- >&- 2>&-", "2>/dev/full"])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_closed_or_full_stream_does_not_change_the_exit_code(options: list[str], redirect: str) -> None:
    done = run("--fail", "remote", *options, redirect=redirect)
    assert done.returncode == 3
    assert "Traceback" not in done.stdout + done.stderr
    assert ("42" in done.stdout) == redirect.startswith("2>")


def test_a_file_that_is_opened_later_does_not_take_the_place_of_a_closed_stream() -> None:
    program = """
import os
from dbmirror.cli.broken_streams import open_missing_streams
open_missing_streams()
descriptor = os.open(".", os.O_RDONLY)
assert descriptor > 2, descriptor
os.write(1, b"x"); os.write(2, b"x"); print("x")
"""
    subprocess.run(["sh", "-c", '"$@" <&- >&- 2>&-', "sh", sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_full_disk_under_stdout_is_an_error_and_no_defect(options: list[str]) -> None:
    done = run(*options, redirect=">/dev/full")
    assert done.returncode == 2
    assert "error: What was found cannot be written to stdout: No space left on device." in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "command", "words"),
    [
        (["mirror", "--json"], "", "No such command 'mirror'"),
        (["--json"], "", "No such option '--json'"),
        (["snapshot", "--json"], "snapshot", "Missing argument 'MIRROR'"),
        (["lock", "demo", "--json", "--nope"], "lock", "No such option '--nope'"),
        (["filter", "show", "--json", "grey"], "filter show", "'grey' is not one of"),
        (["ssh", "tset", "--json"], "ssh", "No such command 'tset'"),
        (["lock", "demo", "--ca-bundle", "/nonesuch", "--json"], "lock", "'/nonesuch' does not exist"),
    ],
)
def test_with_json_a_mistake_of_usage_is_a_document_like_every_error(
    arguments: list[str], command: str, words: str
) -> None:
    done = CliRunner().invoke(main, arguments, prog_name="dbmirror")
    assert done.exit_code == 2
    document = json.loads(done.stdout)
    assert (document["schema"], document["command"]) == (1, command)
    assert words in document["error"]["message"]
    assert document["error"]["exit_code"] == 2
    assert f"dbmirror {command}".strip() + " --help" in document["error"]["remedy"]
    assert "error: " in done.stderr


@pytest.mark.parametrize("arguments", [["mirror"], ["snapshot"], ["snapshot", "--", "demo", "--json"]])
def test_without_json_a_mistake_of_usage_is_said_on_stderr_alone(arguments: list[str]) -> None:
    done = CliRunner().invoke(main, arguments, prog_name="dbmirror")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Try 'dbmirror" in done.stderr


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


@pytest.mark.parametrize("how", ["interrupt", "interrupt-in-wait", "abort"])
def test_an_interrupt_at_work_or_at_a_question_ends_with_130(how: str) -> None:
    done = CliRunner().invoke(show, ["--fail", how])
    assert done.exit_code == 130
    assert "Interrupted" in done.stderr


def test_what_goes_wrong_while_an_interrupt_is_handled_is_told_as_what_it_is() -> None:
    assert isinstance(CliRunner().invoke(show, ["--fail", "mishap"]).exception, FileNotFoundError)


@pytest.mark.parametrize("error", [KeyboardInterrupt, click.Abort])
def test_an_interrupt_while_a_commands_module_is_loaded_ends_with_130(
    monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def interrupted(_: str) -> None:
        raise error

    monkeypatch.setattr("dbmirror.cli.import_module", interrupted)
    done = CliRunner().invoke(main, ["doctor"])
    assert done.exit_code == 130
    assert "Interrupted" in done.stderr


def test_a_defect_is_not_dressed_up_as_a_message() -> None:
    assert isinstance(CliRunner().invoke(show, ["--fail", "defect"]).exception, ZeroDivisionError)


@pytest.mark.parametrize(
    ("fail", "words"),
    [
        ("full", ["A file cannot be written: No space left on device.", "df -h"]),
        ("read-only", ["/srv/mirrors/prod/lab cannot be used: Read-only file system.", "'folder' in dbmirror.toml"]),
    ],
)
def test_a_disk_that_cannot_be_written_is_a_sentence_and_no_traceback(fail: str, words: list[str]) -> None:
    done = CliRunner().invoke(show, ["--fail", fail])
    assert done.exit_code == 2
    assert isinstance(done.exception, SystemExit)
    for word in words:
        assert word in done.stderr
    assert json.loads(CliRunner().invoke(show, ["--json", "--fail", fail]).stdout)["error"]["exit_code"] == 2
