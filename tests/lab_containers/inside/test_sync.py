"""A copy between notebooks and driver over SFTP: the program in full, with OpenSSH's server behind a stand-in for ssh.

With rsync, and over the tunnel's connection, tests/stack/lab copies.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from dbmirror_lab.sync import driver_side, quiet_ssh, sftp
from dbmirror_lab.sync.__main__ import main
from dbmirror_lab.sync.driver_side import DriverSide
from dbmirror_lab.sync.job import FILE, FOLDER, OTHER, Job, aim
from dbmirror_lab.sync.lab_side import LabSide
from dbmirror_lab.sync.report import FileProblem, Problem, Report, Tally, together
from dbmirror_lab.sync.session import open_session
from dbmirror_lab.sync.sftp import mode_for
from dbmirror_lab.sync.side import Entry, Side, part_of
from paramiko import SFTPAttributes, SFTPClient

SFTP_SERVER = next(
    (p for p in ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server") if Path(p).exists()), None
)
ODD_NAMES = ["a b", "übergröße 日本", "new\nline", "-dash", "q'uo\"te$(id)\\", "*?[x]"]


@dataclass
class Trial:
    """Both sides of a copy, in folders of the test's own."""

    notebooks: Path
    home: Path
    """The home folder on the driver."""
    folder: Path
    """Where the control socket would be."""
    output: pytest.CaptureFixture[bytes]

    def copy(self, *arguments: str, dry_run: bool = False) -> dict[str, Any]:
        """Run the program; its last event."""
        self.output.readouterr()
        options = ["--root", str(self.notebooks), "--control", str(self.control), *(["--dry-run"] * dry_run)]
        code = main([*options, "--", *arguments])
        events: list[dict[str, Any]] = [json.loads(line) for line in self.output.readouterr().out.splitlines()]
        assert events[0]["event"] == "begin"
        assert (code == 0) == (events[-1]["event"] == "end")
        return events[-1]

    @property
    def control(self) -> Path:
        return self.folder / "control"

    def ssh_is(self, *, login: str = ":", sftp: str = "exec {server}", check: int = 0) -> None:
        """Have the stand-in run `login` first, as a login shell does its start files, and SFTP's server with `sftp`."""
        assert SFTP_SERVER is not None, "these tests need OpenSSH's server: apt-get install openssh-sftp-server"
        program = self.folder / "bin" / "ssh"
        program.write_text(
            "#!/bin/sh\n"
            f'case " $* " in *" -O check "*) exit {check};; esac\n'
            f"cd '{self.home}'; {login}\n"
            f'case " $* " in *" -s driver sftp ") {sftp.format(server=SFTP_SERVER)};; *)\n'
            'for last; do :; done; exec sh -c "$last";; esac\n'
        )
        program.chmod(0o755)


@pytest.fixture
def trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Iterator[Trial]:
    for name in ("notebooks", "home", "tunnel/bin"):
        (tmp_path / name).mkdir(parents=True)
    for program in ("sh", "dd", "head", "sleep"):
        (tmp_path / "tunnel" / "bin" / program).symlink_to(f"/bin/{program}")
    # What is not named above, such as rsync, is on neither side.
    monkeypatch.setenv("PATH", str(tmp_path / "tunnel" / "bin"))
    made = Trial(tmp_path / "notebooks", tmp_path / "home", tmp_path / "tunnel", capsysbinary)
    made.ssh_is()
    handler = signal.getsignal(signal.SIGTERM)
    yield made
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture(params=["lab", "driver"])
def side(request: pytest.FixtureRequest, trial: Trial) -> Iterator[Side]:
    """Each of the two sides, with a folder of its own."""
    if request.param == "lab":
        yield LabSide()
        return
    with open_session(trial.control) as session:
        yield DriverSide(session, another=partial(open_session, trial.control), lost=lambda: Problem("lost"))


def contents(folder: Path) -> dict[str, bytes | None]:
    """What is below `folder`: the bytes of each file, None for a folder."""
    found = sorted(folder.rglob("*"))
    return {str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes() for path in found}


def test_a_folder_with_odd_names_goes_to_the_driver_and_back(trial: Trial) -> None:
    data = trial.notebooks / "data"
    (data / "empty").mkdir(parents=True)
    for number, name in enumerate(ODD_NAMES):
        (data / name).write_text(f"{number}\n")
    (data / "sub").mkdir()
    (data / "sub" / "long").write_bytes(os.urandom(5_000_001))
    out = trial.copy("to", "data", "there/it is")
    assert (out["files"], out["by"], out["size"]) == (len(ODD_NAMES) + 1, "sftp", 5_000_001 + 2 * len(ODD_NAMES))
    assert contents(trial.home / "there" / "it is") == contents(data)
    trial.copy("from", str(trial.home / "there" / "it is"), "back")
    assert contents(trial.notebooks / "back") == contents(data)


def test_what_is_there_already_is_not_copied_again(trial: Trial) -> None:
    (trial.notebooks / "data").mkdir()
    (trial.notebooks / "data" / "one").write_text("1")
    assert trial.copy("to", "data", "data")["files"] == 1
    assert trial.copy("to", "data", "data")["files"] == 0
    assert trial.copy("from", "data", "data")["files"] == 0


def test_what_only_the_target_has_stays(trial: Trial) -> None:
    (trial.notebooks / "data").mkdir()
    (trial.notebooks / "data" / "one").write_text("1")
    (trial.home / "data").mkdir()
    (trial.home / "data" / "other").write_text("2")
    trial.copy("to", "data", "data")
    assert contents(trial.home / "data") == {"one": b"1", "other": b"2"}


def test_a_dry_run_names_the_files_and_writes_nothing(trial: Trial) -> None:
    (trial.notebooks / "data" / "sub").mkdir(parents=True)
    (trial.notebooks / "data" / "sub" / "one").write_text("1")
    assert trial.copy("to", "data", "new/data", dry_run=True)["names"] == ["sub/one"]
    assert contents(trial.home) == {}


@pytest.mark.parametrize(
    ("target", "arrives"),
    [("one.txt", "one.txt"), ("folder", "folder/one.txt"), ("new/", "new/one.txt"), ("~/x/y", "x/y"), ("-x", "-x")],
)
def test_a_file_goes_into_a_folder_or_takes_the_targets_name(trial: Trial, target: str, arrives: str) -> None:
    (trial.notebooks / "one.txt").write_text("1")
    (trial.home / "folder").mkdir()
    trial.copy("to", "one.txt", target)
    assert (trial.home / arrives).read_text() == "1"


def test_a_link_that_is_named_is_followed_and_keeps_its_name(trial: Trial) -> None:
    for side in (trial.notebooks, trial.home):
        (side / "file").write_text("content")
        (side / "link").symlink_to("file")
    trial.copy("to", "link", "out/")
    trial.copy("from", "link", "in/")
    assert contents(trial.home / "out") == contents(trial.notebooks / "in") == {"link": b"content"}


def test_links_in_a_folder_are_left_out_and_named(trial: Trial) -> None:
    data = trial.home / "data"
    data.mkdir()
    (data / "to-file").symlink_to("/etc/passwd")
    (data / "to-folder").symlink_to("/etc")
    os.mkfifo(data / "pipe")
    (data / "file").write_text("1")
    found = trial.copy("from", "data", "data")
    assert (found["left_out"], found["left_out_count"]) == (["pipe", "to-file", "to-folder"], 3)
    assert contents(trial.notebooks / "data") == {"file": b"1"}


def test_a_link_in_the_target_is_replaced_and_not_written_through(trial: Trial) -> None:
    outside = trial.folder / "outside"
    outside.mkdir()
    (outside / "file").write_text("untouched")
    (trial.notebooks / "data").mkdir()
    (trial.notebooks / "data" / "file").symlink_to(outside / "file")
    (trial.notebooks / "data" / "sub").symlink_to(outside)
    (trial.home / "data" / "sub").mkdir(parents=True)
    (trial.home / "data" / "file").write_text("new")
    (trial.home / "data" / "sub" / "other").write_text("new")
    trial.copy("from", "data", "data")
    assert contents(outside) == {"file": b"untouched"}
    assert contents(trial.notebooks / "data") == {"file": b"new", "sub": None, "sub/other": b"new"}


@pytest.mark.parametrize("name", ["../home", "out/file", "out"])
@pytest.mark.parametrize("way", ["to", "from"])
def test_a_path_that_leaves_the_notebooks_is_refused(trial: Trial, way: str, name: str) -> None:
    (trial.notebooks / "out").symlink_to(trial.home)
    (trial.home / "file").write_text("1")
    failed = trial.copy(way, *((name, "x") if way == "to" else ("file", name)))
    assert "leads out of the notebooks folder" in failed["message"]
    assert failed["usage"]
    assert contents(trial.home) == {"file": b"1"}


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "sub/file", "nul\0"])
def test_a_listing_with_a_name_that_is_more_than_a_name_ends_the_copy(name: str) -> None:
    hostile = SFTPAttributes()
    hostile.filename, hostile.st_mode = name, 0o100644
    session = cast(SFTPClient, SimpleNamespace(listdir_iter=lambda _: iter([hostile])))
    with pytest.raises(Problem, match="which no file can be called") as refused:
        DriverSide(session, another=lambda: session, lost=lambda: Problem("lost")).entries("/data")
    assert not isinstance(refused.value, FileProblem)


def endless(names: Callable[[], Iterable[str]]) -> DriverSide:
    """A driver that lists `names` in every folder."""

    def listed(_: bytes) -> Iterator[SFTPAttributes]:
        for name in names():
            found = SFTPAttributes()
            found.filename, found.st_mode = name, 0o040755
            yield found

    session = cast(SFTPClient, SimpleNamespace(listdir_iter=listed))
    return DriverSide(session, another=lambda: session, lost=lambda: Problem("lost"))


def test_a_listing_without_end_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_side, "MOST_NAMES", 1000)
    with pytest.raises(Problem, match="lists more than 1,000 names"):
        endless(lambda: map(str, count())).entries("/data")


def test_folders_within_each_other_without_end_have_one(trial: Trial) -> None:
    job = Job(False, "/data", str(trial.notebooks / "data"), folder=True, dry_run=True, control=trial.control)
    with pytest.raises(Problem, match="more than 200 folders within each other"):
        sftp.copy(job, endless(lambda: ["d"]), LabSide(), Report())


def test_a_file_without_end_is_named(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was listed with few bytes, and gives more and more."""
    monkeypatch.setattr(driver_side, "GROWTH", 100_000)
    (trial.home / "log").write_bytes(b"x" * 1_000_000)
    with open_session(trial.control) as session:
        driver = DriverSide(session, another=partial(open_session, trial.control), lost=lambda: Problem("lost"))
        with pytest.raises(FileProblem, match="has no end: it was listed with 10 bytes"):
            sum(map(len, driver.read("log", 10)))


def test_more_than_the_disk_holds_is_not_asked_for(trial: Trial) -> None:
    (trial.home / "data").mkdir()
    with (trial.home / "data" / "huge").open("wb") as stream:
        stream.truncate(1 << 42)
    failed = trial.copy("from", "data", "copy")
    assert "MB that are to be copied, and this machine has" in failed["message"]
    assert contents(trial.notebooks) == {}


def test_a_driver_that_falls_silent_ends_the_copy(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbmirror_lab.sync.session.SILENT_SECONDS", 0.5)
    (trial.home / "file").write_text("1")
    trial.ssh_is(sftp="sleep 60")
    started = time.monotonic()
    assert trial.copy("from", "file", "x")["event"] == "failed"
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("way", ["to", "from"])
def test_one_file_that_cannot_be_copied_is_named_and_the_others_are_copied(trial: Trial, way: str) -> None:
    source, target = (trial.notebooks, trial.home) if way == "to" else (trial.home, trial.notebooks)
    (source / "data").mkdir()
    for name in ("a", "b", "c"):
        (source / "data" / name).write_text(name)
    (target / "data" / "b" / "in the way").mkdir(parents=True)
    failed = trial.copy(way, "data", "data")
    assert failed["message"].endswith("/data/b is a folder, and a file is to take its place.")
    assert failed["remedy"] == "All else was copied."
    assert {"a": b"a", "c": b"c"}.items() <= contents(target / "data").items()


def test_a_name_on_the_driver_that_is_no_utf8_is_a_clear_error(trial: Trial) -> None:
    (trial.home / "data" / "odd").mkdir(parents=True)
    (trial.home / "data" / "fine").write_text("1")
    os.close(os.open(os.fsencode(trial.home / "data" / "odd") + b"/latin\xff", os.O_CREAT))
    failed = trial.copy("from", "data", "data")
    assert "a name in it is not UTF-8, which only rsync can copy" in failed["message"]
    assert contents(trial.notebooks / "data") == {"fine": b"1", "odd": None}


def test_a_folder_takes_no_files_place(trial: Trial) -> None:
    (trial.notebooks / "data").mkdir()
    (trial.home / "data").write_text("1")
    failed = trial.copy("to", "data", "data")
    assert "is a file, and" in failed["message"]
    assert contents(trial.home) == {"data": b"1"}


def test_a_source_that_is_missing_is_named(trial: Trial) -> None:
    assert trial.copy("to", "nope", "x")["message"] == "There is no nope in the notebooks folder."
    assert trial.copy("from", "$(id)", "x")["message"] == "The driver has no ./$(id)."


def test_the_login_shell_may_say_what_it_likes(trial: Trial) -> None:
    (trial.notebooks / "data").mkdir()
    (trial.notebooks / "data" / "one").write_bytes(os.urandom(100_000))
    trial.ssh_is(login="echo Welcome to the driver; printf '\\000\\002half a line'; echo and more >&2")
    assert trial.copy("to", "data", "data")["files"] == 1
    assert trial.copy("from", "data", "back")["files"] == 1
    assert contents(trial.notebooks / "back") == contents(trial.notebooks / "data")


def test_a_tunnel_that_is_down_says_why(trial: Trial) -> None:
    (trial.notebooks / "one").write_text("1")
    (trial.folder / "state.json").write_text('{"state": "cluster-stopped", "text": "The cluster is stopped."}')
    trial.ssh_is(check=255)
    failed = trial.copy("to", "one", "one")
    assert failed["message"] == (
        "The tunnel has no connection to the driver (cluster-stopped). The cluster is stopped."
    )
    assert "Copy again" in failed["remedy"]


def test_a_connection_that_is_lost_meanwhile_is_the_error(trial: Trial) -> None:
    (trial.notebooks / "long").write_bytes(bytes(3_000_000))
    (trial.folder / "state.json").write_text('{"state": "unreachable", "text": "It went away."}')
    trial.ssh_is(sftp="dd bs=65536 count=20 | {server}")
    failed = trial.copy("to", "long", "long")
    assert failed["message"] == "The tunnel has no connection to the driver (unreachable). It went away."
    assert not (trial.home / "long").exists()


def test_a_driver_with_neither_rsync_nor_sftp_is_named_as_such(trial: Trial) -> None:
    (trial.notebooks / "one").write_text("1")
    trial.ssh_is(sftp="echo subsystem request failed; exit 1")
    failed = trial.copy("to", "one", "one")
    assert failed["message"] == "The driver has no rsync, and its SSH server offers no SFTP."


def test_a_file_is_replaced_only_by_the_whole_of_the_new_one(side: Side, tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")

    def broken() -> Iterator[bytes]:
        yield bytes(1 << 15)
        yield bytes(1 << 15)
        assert target.read_text() == "old"
        raise FileProblem("the source went away")

    with pytest.raises(FileProblem, match="went away"):
        side.write(str(target), broken(), mode=0o644, mtime=1)
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["file"]


@pytest.mark.parametrize(
    ("way", "sftp"),
    [
        ("to", "{{ dd bs=1024 count=300; sleep 1; }} | {server}"),
        ("from", "{server} | {{ dd bs=1024 count=300; sleep 1; }}"),
    ],
)
def test_a_signal_in_the_middle_of_a_packet_ends_the_copy_and_leaves_no_half_file(
    trial: Trial, way: str, sftp: str
) -> None:
    source, target = (trial.notebooks, trial.home) if way == "to" else (trial.home, trial.notebooks)
    (source / "large").write_bytes(bytes(3_000_000))
    (target / "out").mkdir()
    trial.ssh_is(sftp=sftp)
    options = ["--root", str(trial.notebooks), "--control", str(trial.control)]
    argv = [sys.executable, "-m", "dbmirror_lab.sync", *options, "--", way, "large", "out/"]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        try:
            size = _settled_size(Path(part_of(str(target / "out" / "large"))))
            child.terminate()
            said = child.communicate(timeout=15)[1]
        finally:
            child.kill()
    assert 0 < size < 3_000_000
    assert (child.returncode, said.decode()) == (130, "")
    assert contents(target / "out") == {}


def _settled_size(path: Path) -> int:
    """How large the file is once it grows no more."""
    before, deadline = -1, time.monotonic() + 10
    while time.monotonic() < deadline:
        time.sleep(0.2)
        size = path.stat().st_size if path.exists() else 0
        if size and size == before:
            return size
        before = size
    raise AssertionError(f"{path} does not settle: {before} bytes")


def test_what_a_copy_that_was_killed_left_is_in_nobodys_way(side: Side, tmp_path: Path) -> None:
    target = tmp_path / "file"
    Path(part_of(str(target))).symlink_to("/nowhere/else")
    side.write(str(target), iter([b"new"]), mode=0o640, mtime=1_000_000_000)
    assert target.read_text() == "new"
    assert (target.stat().st_mode & 0o777, int(target.stat().st_mtime)) == (0o640, 1_000_000_000)
    assert not Path(part_of(str(target))).is_symlink()


@pytest.mark.parametrize(
    ("source", "there", "becomes"),
    [
        (0o644, None, 0o644),
        (0o4777, None, 0o755),
        (0o600, 0o644, 0o644),
        (0o755, 0o640, 0o750),
        (0o644, 0o755, 0o644),
        (0o755, 0o700, 0o700),
    ],
)
def test_the_copy_is_executable_where_the_source_is(source: int, there: int | None, becomes: int) -> None:
    exists = None if there is None else Entry(0o100000 | there, 1, 1)
    assert mode_for(Entry(0o100000 | source, 1, 1), exists) == becomes


@pytest.mark.parametrize(
    ("source", "target", "becomes"),
    [
        (FILE, ("x", None), "x"),
        (FILE, ("x", FILE), "x"),
        (FILE, ("x", FOLDER), "x/name"),
        (FILE, ("x/", None), "x/name"),
        (FOLDER, ("x/", None), "x"),
        (FOLDER, ("x", FOLDER), "x"),
        (FOLDER, ("/", FOLDER), "/"),
    ],
)
def test_where_a_copy_goes(source: str, target: tuple[str, str | None], becomes: str) -> None:
    assert aim("a/name", source, *target, name="name", to_driver=True) == becomes


@pytest.mark.parametrize(("source", "target"), [(None, None), (OTHER, None), (FOLDER, FILE), (FOLDER, OTHER)])
def test_what_cannot_be_copied(source: str | None, target: str | None) -> None:
    with pytest.raises(Problem):
        aim("a", source, "b", target, name="a", to_driver=False)


def test_three_files_are_named_and_the_rest_counted() -> None:
    problem = together([f"/s/{n} broke." for n in range(5)], roots=("/s", "/t"), others=True)
    assert problem.message == "/s/0 broke. /s/1 broke. /s/2 broke. 2 more could not be copied."
    assert problem.remedy == "All else was copied."


def test_nothing_else_was_copied_where_the_whole_failed() -> None:
    problem = together(["/s could not be read on the driver: No."], roots=("/s", "/t"), others=True)
    assert problem.remedy == ""


def test_a_name_that_is_no_utf8_is_shown_with_a_mark(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    tally = Tally()
    tally.add(os.fsdecode(b"latin\xff\nname"), 1)
    Report().end(tally, by="rsync")
    assert json.loads(capsysbinary.readouterr().out)["names"] == ["latin\N{REPLACEMENT CHARACTER}\nname"]


@pytest.mark.parametrize("noise", [":", "echo hello; echo there >&2", "head -c 3000000 /dev/zero"])
def test_a_commands_own_output_is_told_from_the_login_shells(trial: Trial, noise: str) -> None:
    trial.ssh_is(login=noise)
    hostile = "a b'; echo broken out $(id) \"\n"
    done = quiet_ssh.run(trial.control, ["sh", "-c", 'printf %s "$1"; echo oh >&2; exit 3', "sh", hostile])
    assert (done.returncode, done.stdout.decode(), done.stderr) == (3, hostile, b"oh\n")


@pytest.mark.parametrize("noise", [":", "echo hello; echo there >&2", "head -c 3000000 /dev/zero"])
def test_rsyncs_ssh_hands_on_bytes_both_ways_and_the_exit_status(trial: Trial, noise: str) -> None:
    trial.ssh_is(login=noise)
    program = [sys.executable, "-I", quiet_ssh.__file__]
    # The words are for a shell to read, as rsync quotes them.
    argv = [*program, str(trial.control), "driver", "sh", "-c", "'head -c 900000; exit 7'"]
    sent = os.urandom(900_000)
    done = subprocess.run(argv, input=sent, capture_output=True, check=False, timeout=30)
    assert (done.returncode, done.stderr) == (7, b"")
    assert done.stdout == sent
