"""The host's side of a copy: what is asked of the program in the lab, and what is made of its answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dbmirror.lab.model import Lab
from dbmirror.lab.paths import lab_paths, write_compose_file
from dbmirror.lab.sync import Synced, SyncFailed, SyncRefused, files_in_words, size_in_words, sync
from dbmirror.lab.variables import write_environment
from dbmirror.progress import Observer

BEGIN = {"event": "begin", "pid": 17}
END = {
    "event": "end",
    "by": "rsync",
    "files": 2,
    "size": 3000,
    "names": ["a", "new\nline"],
    "left_out": ["link"],
    "left_out_count": 1,
}
DOCKER = """#!/bin/sh
here=$(dirname "$0")
printf '%s\\0' "$@" > "$here/arguments"
cat "$here/says"
cat "$here/errors" >&2
exit {code}
"""


class Watcher(Observer):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def started(self, stage: str, *, total: int | None = None) -> None:
        self.heard.append(("started", stage, total))

    def advanced(self, stage: str, text: str = "", *, steps: int = 1) -> None:
        self.heard.append((steps, text))

    def finished(self, stage: str, text: str = "") -> None:
        self.heard.append(("finished", text))


class Program:
    """A mirror's folder, and a program in the place of Docker's client that says what the program in the lab would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "mirror"
        self.folder.mkdir()
        write_compose_file(lab_paths(self.folder), b"services: {}\n")
        write_environment(lab_paths(self.folder), {})
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.says(BEGIN, END)

    def says(self, *events: object, errors: str = "", code: int = 0) -> None:
        lines = [each if isinstance(each, str) else json.dumps(each) for each in events]
        (self.bin / "says").write_text("\n".join([*lines, ""]))
        (self.bin / "errors").write_text(errors)
        (self.bin / "docker").write_text(DOCKER.format(code=code))
        (self.bin / "docker").chmod(0o755)

    @property
    def lab(self) -> Lab:
        return Lab(mirror="demo", folder=self.folder)

    @property
    def asked(self) -> list[str]:
        """What stands behind the program's name."""
        words = (self.bin / "arguments").read_text().split("\0")[:-1]
        return words[words.index("dbmirror_lab.sync") + 1 :]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "state"))
    made = Program(tmp_path)
    monkeypatch.setenv("PATH", f"{made.bin}:/usr/bin:/bin")
    return made


def test_a_copy_to_the_driver(lab: Program) -> None:
    done = sync(lab.lab, "data", "driver:/tmp/data")
    assert lab.asked == ["--", "to", "data", "/tmp/data"]
    assert done == Synced(
        source="data",
        target="driver:/tmp/data",
        by="rsync",
        files=2,
        size=3000,
        names=("a", "new\nline"),
        left_out=("link",),
        left_out_count=1,
    )


def test_a_copy_from_the_driver(lab: Program) -> None:
    sync(lab.lab, "driver:-odd 'name", "-odd", dry_run=True)
    assert lab.asked == ["--dry-run", "--", "from", "-odd 'name", "-odd"]


def test_progress_reaches_the_observer_in_words(lab: Program) -> None:
    moved = [{"event": "progress", "done": done, "total": 2000} for done in (500, 400, 2000)]
    lab.says(BEGIN, *moved, "something that is no event", END)
    watcher = Watcher()
    sync(replace(lab.lab, observer=watcher), "data", "driver:data")
    assert watcher.heard == [
        ("started", "sync", None),
        (1, "500 bytes of 2.0 kB (25 %)"),
        (1, "400 bytes of 2.0 kB (20 %)"),
        (1, "2.0 kB of 2.0 kB (100 %)"),
        ("finished", "2 files, 3.0 kB"),
    ]


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("a", "b", "must be on the driver"),
        ("driver:a", "driver:b", "must be on the driver"),
        ("../.env", "driver:a", "not below the notebooks folder"),
        ("driver:a", "/etc/passwd", "not below the notebooks folder"),
        ("driver:a\nb", "c", "control characters"),
        ("a\0b", "driver:c", "control characters"),
    ],
)
def test_what_is_no_copy_between_the_two_is_refused(lab: Program, source: str, target: str, message: str) -> None:
    with pytest.raises(SyncRefused, match=message):
        sync(lab.lab, source, target)
    assert not (lab.bin / "arguments").exists()


def test_a_folder_without_a_lab_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SyncRefused, match=r"has no lab yet\. 'dbmirror lab up demo' makes it"):
        sync(Lab(mirror="demo", folder=tmp_path), "a", "driver:b")


@pytest.mark.parametrize(("usage", "kind"), [(True, SyncRefused), (False, SyncFailed)])
def test_what_the_program_in_the_lab_says_is_the_error(lab: Program, usage: bool, kind: type[Exception]) -> None:
    lab.says(BEGIN, {"event": "failed", "message": "It broke.", "remedy": "Mend it.", "usage": usage}, code=1)
    with pytest.raises(kind, match=r"It broke\.") as raised:
        sync(lab.lab, "a", "driver:b")
    assert getattr(raised.value, "remedy", "") == "Mend it."


@pytest.mark.parametrize(
    ("errors", "kind", "message"),
    [
        ('service "lab" is not running', SyncRefused, r"The lab does not run\. .* 'dbmirror lab up demo'"),
        (
            "/opt/lab/bin/python: No module named dbmirror_lab.sync",
            SyncRefused,
            "another version .* 'dbmirror lab up demo'",
        ),
        ("killed", SyncFailed, "ended without a result: killed"),
        ("", SyncFailed, "it said nothing"),
    ],
)
def test_a_program_that_says_nothing_of_its_end(lab: Program, errors: str, kind: type[Exception], message: str) -> None:
    lab.says(BEGIN, errors=errors, code=1)
    with pytest.raises(kind, match=message):
        sync(lab.lab, "a", "driver:b")


def test_an_end_with_a_failing_exit_status_is_no_success(lab: Program) -> None:
    lab.says(BEGIN, END, code=137)
    with pytest.raises(SyncFailed):
        sync(lab.lab, "a", "driver:b")


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1000, "1.0 kB"), (999_999, "1.0 MB"), (2**40, "1.1 TB")],
)
def test_a_size_in_words(size: int, words: str) -> None:
    assert size_in_words(size) == words


def test_a_count_with_its_noun() -> None:
    assert [files_in_words(count) for count in (0, 1, 2)] == ["0 files", "1 file", "2 files"]
