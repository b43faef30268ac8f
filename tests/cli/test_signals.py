"""SIGTERM and SIGHUP end a command as Ctrl-C does: a message, the signal's exit code, and nothing left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = """
import sys
import click
from dbmirror.cli import Commands
from dbmirror.cli.options import command
from dbmirror.processes.programs import run
from dbmirror.processes.temporary import temporary_folder

@click.command("work")
@command
def work(output):
    with temporary_folder("secrets", in_memory=True) as folder:
        (folder / "netrc").write_text("hunter2")
        child = (
            "import os, time\\n"
            "try: print(os.getpid(), flush=True); time.sleep(60)\\n"
            "except KeyboardInterrupt: time.sleep(0.5)"
        )
        run([sys.executable, "-c", child], on_stdout=lambda line: print(folder, line, flush=True))

class Program(Commands):
    def get_command(self, ctx, name):
        return work

Program(name="dbmirror").main(["work"])
"""


def start(tmp_path: Path, *, wrapper: tuple[str, ...] = ()) -> tuple[subprocess.Popen[str], Path, int]:
    """The program at work, its secret folder and its child."""
    program = subprocess.Popen(
        [*wrapper, sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "DBMIRROR_HOME": str(tmp_path / "home")},
    )
    assert program.stdout is not None
    folder, pid = program.stdout.readline().split()
    assert Path(folder, "netrc").is_file()
    return program, Path(folder), int(pid)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (signal.SIGINT, 130, "Interrupted"),
        (signal.SIGTERM, 143, "Ended by SIGTERM"),
        (signal.SIGHUP, 129, "Ended by SIGHUP"),
    ],
)
def test_a_signal_leaves_no_child_and_no_folder(tmp_path: Path, number: signal.Signals, code: int, words: str) -> None:
    program, folder, child = start(tmp_path)
    program.send_signal(number)
    _, error = program.communicate(timeout=30)
    assert program.returncode == code
    assert error.strip() == f"{words}: nothing is left half done; run the command again to go on."
    assert not folder.exists()
    assert not alive(child)


def test_a_second_signal_does_not_stop_the_clearing_up(tmp_path: Path) -> None:
    program, folder, child = start(tmp_path)
    for _ in range(20):
        program.send_signal(signal.SIGHUP)
        program.send_signal(signal.SIGTERM)
        time.sleep(0.005)
    program.communicate(timeout=30)
    assert program.returncode in {129, 143}
    assert not folder.exists()
    assert not alive(child)


def test_a_closed_terminal_that_takes_no_more_words_changes_nothing(tmp_path: Path) -> None:
    program, folder, child = start(tmp_path)
    assert program.stderr is not None
    program.stderr.close()
    program.send_signal(signal.SIGHUP)
    assert program.wait(timeout=30) == 129
    assert not folder.exists()
    assert not alive(child)


def test_nohup_stays_nohup(tmp_path: Path) -> None:
    program, folder, child = start(tmp_path, wrapper=("env", "--ignore-signal=HUP"))
    program.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert program.poll() is None
    assert folder.is_dir()
    program.send_signal(signal.SIGTERM)
    program.communicate(timeout=30)
    assert program.returncode == 143
    assert not folder.exists()
    assert not alive(child)
