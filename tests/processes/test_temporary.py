"""Temporary folders go with the block that made them, and those of a killed run with the next run of its home."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dbmirror.config import load_config
from dbmirror.doctor.machine import left_behind_by_killed_runs
from dbmirror.errors import DbmirrorError
from dbmirror.mirror_folder.files import write_below
from dbmirror.processes import runs
from dbmirror.processes.temporary import clear_left_behind, left_behind, temporary_folder

HOLDER = """
import sys
from dbmirror.processes.temporary import temporary_folder
with temporary_folder("secrets", in_memory=True) as folder:
    (folder / "netrc").write_text("machine h login u password hunter2")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@contextmanager
def another_run() -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process that holds a folder of secrets until it is ended."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert child.stdout is not None
    folder = Path(child.stdout.readline().strip())
    try:
        yield child, folder
    finally:
        child.kill()
        child.communicate()


def test_a_folder_is_this_users_alone_and_goes_with_its_block() -> None:
    with temporary_folder("build") as folder:
        assert folder.name.startswith("dbmirror-build-")
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "file").touch()
    assert not folder.exists()


def test_what_a_killed_run_left_is_cleared_by_the_next_run_of_its_home() -> None:
    with another_run() as (child, folder):
        assert (folder / "netrc").is_file()
        clear_left_behind()
        assert (folder / "netrc").is_file(), "the run that made it goes on"
        child.kill()
        child.wait()
        assert (folder / "netrc").is_file(), "nobody can clear up after a SIGKILL"
        assert left_behind() == (folder,)
        with temporary_folder("build"):
            assert not folder.exists()
    assert left_behind() == ()


def test_another_home_leaves_it_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with another_run() as (child, folder):
        child.send_signal(signal.SIGKILL)
        child.wait()
        with monkeypatch.context() as elsewhere:
            elsewhere.setenv("DBMIRROR_HOME", str(tmp_path / "other"))
            clear_left_behind()
            assert folder.is_dir()
        clear_left_behind()
        assert not folder.exists()


def test_doctor_names_what_a_killed_run_left() -> None:
    with another_run() as (child, folder):
        child.kill()
        child.wait()
        with pytest.raises(DbmirrorError) as found:
            left_behind_by_killed_runs(load_config())
        assert str(folder) in found.value.message
        assert folder.is_dir(), "doctor changes nothing"
        clear_left_behind()


WRITES = """
import os, sys
from pathlib import Path
from dbmirror.mirror_folder import files
from dbmirror.mirror_folder.files import write_below
def stop(*_):
    print("staged", flush=True)
    sys.stdin.read()
files.os.fsync = stop
write_below(Path(sys.argv[1]), {"lab/notes.json": b"half of it"})
"""


def test_a_file_that_a_killed_run_left_half_written_goes_with_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "mirrors" / "demo"
    argv = [sys.executable, "-c", WRITES, str(folder)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "staged\n"
        (staged,) = (folder / "lab").iterdir()
        write_below(folder, {"lab/other.json": b"{}"})
        assert staged.exists(), "its run is not over"
        child.kill()
        child.wait()
    with pytest.raises(DbmirrorError) as found:
        left_behind_by_killed_runs(load_config())
    assert str(staged) in found.value.message
    users = folder / "lab" / ".notes.json.dbmirror-00000000-000000000000-00000000"
    users.write_text("of another home")
    write_below(folder, {"lab/other.json": b"{}"})
    assert sorted(path.name for path in (folder / "lab").iterdir()) == [users.name, "other.json"]


def test_a_run_is_over_only_when_its_process_has_ended(home: Path) -> None:
    with another_run() as (child, folder):
        other = "-".join(folder.name.split("-")[2:4])
        assert not runs.is_over(other)
        child.kill()
        child.wait()
        assert runs.is_over(other)
        clear_left_behind()
        runs.forget_ended_runs()
        assert not (home / "runs" / other.partition("-")[2]).exists()
    assert not runs.is_over(runs.mark())
    assert not runs.is_over("00000000-0123456789ab")
    assert not runs.is_over("../../etc")


def test_a_home_that_cannot_be_written_still_gives_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "file"))
    with temporary_folder("build") as folder:
        assert folder.is_dir()
