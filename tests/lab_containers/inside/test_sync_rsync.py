"""What rsync says, put into sentences, events and counts; what it says itself is from rsync 3.2 and 3.5."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dbmirror_lab.sync import rsync
from dbmirror_lab.sync.job import Job
from dbmirror_lab.sync.report import Problem, Report, Tally

SAYS = """#!/bin/sh
cat "$(dirname "$0")/says"
cat "$(dirname "$0")/errors" >&2
printf '%s\\n' "$@" > "$(dirname "$0")/arguments"
exit {code}
"""
NO_SPACE = 'rsync: [receiver] write failed on "/n/data/big": No space left on device (28)'
NO_ACCESS = 'rsync: [sender] send_files failed to open "/d/secret": Permission denied (13)'
NO_FOLDER = 'rsync: [sender] opendir "/d/closed" failed: Permission denied (13)'
NO_TEMPORARY = 'rsync: [receiver] mkstemp "/n/data/.one.txt.a1B2c3" failed: Permission denied (13)'
OLD = 'rsync: send_files failed to open "/d/secret": Permission denied (13)'
SOME = (
    "rsync error: some files/attrs were not transferred (see previous errors) (code 23) at main.c(1338) [sender=3.2.7]"
)


def job(*, to_driver: bool = False, folder: bool = True, dry_run: bool = False, target: str = "/n/data") -> Job:
    return Job(to_driver, "/d", target, folder, dry_run, Path("/run/control"))


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in rsync's place, which says what the files beside it hold."""
    made = tmp_path / "bin" / "rsync"
    made.parent.mkdir()
    (made.parent / "errors").write_text("")
    made.write_text(SAYS.format(code=0))
    made.chmod(0o755)
    monkeypatch.setenv("PATH", f"{made.parent}:/usr/bin:/bin")
    # The mark before each file's line, which a name cannot hold since nobody knows it.
    monkeypatch.setattr(rsync.secrets, "token_hex", lambda _: "MARK")
    return made


def test_files_and_what_is_left_out_are_counted(program: Path) -> None:
    lines = [
        'skipping non-regular file "a link"',
        "MARKcd+++++++++ 4096 sub/",
        "MARK>f+++++++++ 12 sub/new\\#012line",
        "MARK>f.st...... 3000000 a b",
        "MARK.f...p..... 7 only its mode",
        ">f+++++++++ 9 a name that looks like a line",
    ]
    (program.parent / "says").write_text("\n".join([*lines, ""]))
    found = rsync.copy(job(dry_run=True), Report())
    assert found == Tally(2, 3000012, ["sub/new\nline", "a b"], ["a link"], 1)


def test_progress_is_drawn_over_itself(program: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    said = b"\r      1,000,000  50%  100.00MB/s    0:00:01\r      2,000,000 100%    1.00GB/s    0:00:00 (xfr#1)\n"
    (program.parent / "says").write_bytes(said)
    rsync.copy(job(dry_run=True), Report())
    events = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    # What comes within a fraction of a second is not said.
    assert events == [{"event": "progress", "done": 1_000_000, "total": 2_000_000}]


@pytest.mark.parametrize(
    ("name", "target", "second"),
    [("d", "/n/data/d", "/n/data/"), ("d", "/n/data/other", "/n/data/other")],
)
def test_a_file_that_keeps_its_name_is_put_into_its_folder(program: Path, name: str, target: str, second: str) -> None:
    """What has its name there gives way or is in the way, but is not followed if it is a link."""
    (program.parent / "says").write_text("")
    rsync.copy(job(folder=False, target=target, dry_run=True), Report())
    arguments = (program.parent / "arguments").read_text().splitlines()
    assert arguments[-3:] == ["--", f"driver:/{name}", second]
    assert "--copy-links" in arguments


def test_a_copy_asks_for_nothing_that_could_write_outside_its_target(program: Path) -> None:
    (program.parent / "says").write_text("")
    rsync.copy(job(dry_run=True), Report())
    arguments = (program.parent / "arguments").read_text().splitlines()
    assert not {"--links", "--copy-links", "--keep-dirlinks", "--archive", "--devices", "--delete"} & set(arguments)
    assert arguments[-2:] == ["driver:/d/", "/n/data/"]


def test_a_file_that_went_away_meanwhile_is_no_error(program: Path) -> None:
    (program.parent / "says").write_text("MARK>f+++++++++ 1 one\n")
    program.write_text(SAYS.format(code=24))
    assert rsync.copy(job(dry_run=True), Report()).files == 1


@pytest.mark.parametrize(
    ("code", "lines", "message", "remedy"),
    [
        (11, [NO_SPACE], "/n/data/big could not be written in the lab: No space left on device.", ""),
        (
            23,
            [NO_ACCESS, SOME],
            "/d/secret could not be read on the driver: Permission denied.",
            "All else was copied.",
        ),
        (23, [OLD, SOME], "/d/secret could not be read on the driver: Permission denied.", "All else was copied."),
        (
            23,
            [NO_FOLDER, SOME],
            "/d/closed could not be read on the driver: Permission denied.",
            "All else was copied.",
        ),
        (
            23,
            [NO_TEMPORARY, SOME],
            "/n/data/one.txt could not be written in the lab: Permission denied.",
            "All else was copied.",
        ),
        (
            23,
            ["could not make way for new regular file: x", SOME],
            "/n/data/x is a folder, and a file is to take its place.",
            "All else was copied.",
        ),
        (12, ["rsync error: odd"], "rsync stopped with exit code 12: rsync error: odd", ""),
        (255, [], "rsync stopped with exit code 255: it said nothing", ""),
    ],
)
def test_an_error_is_one_sentence(code: int, lines: list[str], message: str, remedy: str) -> None:
    found = rsync.explain(code, lines, job())
    assert (found.message, found.remedy) == (message, remedy)


def test_what_failed_on_which_side_follows_from_the_way() -> None:
    found = rsync.explain(23, [NO_ACCESS], job(to_driver=True))
    assert found.message == "/d/secret could not be read in the lab: Permission denied."


def test_an_exit_status_ends_the_copy(program: Path) -> None:
    (program.parent / "says").write_text("")
    (program.parent / "errors").write_text(NO_SPACE + "\n")
    program.write_text(SAYS.format(code=11))
    with pytest.raises(Problem, match="No space left"):
        rsync.copy(job(dry_run=True), Report())
