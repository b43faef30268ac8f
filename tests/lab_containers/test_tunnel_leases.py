"""Kernels on the driver whose lab is gone: how they are found, told to end, and forgotten."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

import dbmirror.lab_containers
from dbmirror.lab_containers.tunnel.connection import Connection, connect
from dbmirror.lab_containers.tunnel.leases import LAUNCH_SECONDS, LONGEST_PAUSE, STUBBORN_SECONDS, Orphans, ask, unheld
from dbmirror.lab_containers.tunnel.settings import Settings
from dbmirror.lab_containers.tunnel.transitions import Trouble

from .test_tunnel_transitions import Stage

INSIDE = Path(dbmirror.lab_containers.__file__).parent / "inside"
NAME, OTHER = "0123456789abcdef", "fedcba9876543210"
HOLD = """
import sys
from pathlib import Path
from dbmirror_lab.lease import Lease
lease = Lease(Path(sys.argv[1]))
print(lease.name, flush=True)
for line in sys.stdin:
    getattr(lease, line.strip())()
    print("done", flush=True)
"""


@contextmanager
def lab(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that holds a lease as the lab does, and the lease's name; it does what it is told, a word a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        env={**os.environ, "PYTHONPATH": str(INSIDE)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stdin.close()


def tell(process: subprocess.Popen[str], what: str) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    print(what, file=process.stdin, flush=True)
    assert process.stdout.readline() == "done\n"


def test_a_lease_is_held_for_as_long_as_its_process_lives(tmp_path: Path) -> None:
    with lab(tmp_path) as (process, name):
        assert (tmp_path / f"lease-{name}").exists()
        assert unheld(tmp_path) == {}
        os.kill(process.pid, signal.SIGSTOP)
        assert unheld(tmp_path) == {}, "a lab that stands still is still there"
        process.kill()
        process.wait()
        assert list(unheld(tmp_path)) == [name]


def test_a_program_that_the_lab_started_does_not_hold_its_lease(tmp_path: Path) -> None:
    """A terminal or a local kernel may go on for a moment after the server is gone."""
    program = HOLD.replace(
        "for line", "import subprocess\nsubprocess.Popen(['sleep', '30'], close_fds=False)\nfor line"
    )
    process = subprocess.Popen(
        ["setsid", sys.executable, "-c", program, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(INSIDE)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    name = process.stdout.readline().strip()
    process.stdin.write("nothing\n")
    process.stdin.close()
    process.wait()
    try:
        assert list(unheld(tmp_path)) == [name]
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()


def test_a_lab_that_cleared_up_itself_leaves_no_lease(tmp_path: Path) -> None:
    with lab(tmp_path) as (process, _):
        tell(process, "end")
        assert list(tmp_path.iterdir()) == []


def test_a_lab_can_leave_a_kernel_to_the_tunnel(tmp_path: Path) -> None:
    with lab(tmp_path) as (process, name):
        tell(process, "leave")
        assert list(unheld(tmp_path)) == [name]


def test_nothing_else_in_the_folder_is_a_lease(tmp_path: Path) -> None:
    names = ("k-1-0123456789ab", "state.json", f".lease-{NAME}", f"lease-{NAME}0", "lease-$(reboot)aaaaaa", "lease-")
    for name in names:
        (tmp_path / name).write_text("")
    (tmp_path / f"lease-{NAME}").symlink_to(tmp_path / "state.json")
    (tmp_path / f"lease-{NAME.upper()}").write_text("")
    assert unheld(tmp_path) == {}


def test_what_is_no_file_is_no_lease_and_stays(tmp_path: Path, driver: Driver, orphans: Orphans) -> None:
    (tmp_path / f"lease-{NAME}").mkdir()
    os.mkfifo(tmp_path / f"lease-{OTHER}")
    assert unheld(tmp_path) == {}
    assert orphans.look(now=0.0, at=1e6) == 0
    assert driver.asked == []
    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_that_is_not_there_holds_no_lease(tmp_path: Path) -> None:
    assert unheld(tmp_path / "nowhere") == {}
    (tmp_path / "file").write_text("")
    assert unheld(tmp_path / "file") == {}


@dataclass
class Driver:
    """What is on the driver, and what it was asked for."""

    kernels: set[str] = field(default_factory=set)
    stubborn: bool = False
    """Who is told to end does not."""
    undeletable: set[str] = field(default_factory=set)
    """Whose folder stays, whatever is done."""
    silent: bool = False
    asked: list[tuple[list[str], list[str]]] = field(default_factory=list)

    def ask(self, _: Path, end: Sequence[str], remove: Sequence[str]) -> frozenset[str] | None:
        self.asked.append((list(end), list(remove)))
        if self.silent:
            return None
        there = self.kernels & {*end, *remove}
        self.kernels -= ({*remove} if self.stubborn else there) - self.undeletable
        return frozenset(there)


@pytest.fixture
def driver() -> Driver:
    return Driver()


@pytest.fixture
def orphans(tmp_path: Path, driver: Driver) -> Orphans:
    return Orphans(tmp_path / "control", ask=driver.ask)


def leave(folder: Path, name: str, *, at: float = 0.0) -> Path:
    """A lease that nobody holds, made at `at`."""
    path = folder / f"lease-{name}"
    path.write_text("")
    os.utime(path, (at, at))
    return path


def test_a_kernel_without_a_lab_is_told_to_end_and_forgotten_once_it_is_gone(
    tmp_path: Path, driver: Driver, orphans: Orphans
) -> None:
    lease = leave(tmp_path, NAME, at=9999.0)
    driver.kernels = {NAME}
    assert orphans.look(now=0.0, at=10_000.0) == 0
    assert lease.exists()
    assert orphans.left
    assert orphans.look(now=1.0, at=10_001.0) == 1
    assert not lease.exists()
    assert not orphans.left
    assert orphans.look(now=2.0, at=10_002.0) == 0
    assert driver.asked == [([NAME], []), ([NAME], [])]


def test_as_long_as_every_lease_is_held_the_driver_is_not_asked(
    tmp_path: Path, driver: Driver, orphans: Orphans
) -> None:
    with lab(tmp_path):
        for second in range(10):
            orphans.look(now=float(second), at=second + 1e9)
    assert driver.asked == []


def test_several_are_one_command(tmp_path: Path, driver: Driver, orphans: Orphans) -> None:
    leave(tmp_path, NAME)
    leave(tmp_path, OTHER)
    driver.kernels = {NAME, OTHER}
    orphans.look(now=0.0, at=0.0)
    assert orphans.look(now=1.0, at=1.0) == 2
    assert driver.asked[0] == ([NAME, OTHER], [])


def test_a_kernel_that_appears_only_after_its_lab_was_killed_is_awaited(
    tmp_path: Path, driver: Driver, orphans: Orphans
) -> None:
    lease = leave(tmp_path, NAME, at=1e6)
    for second in range(20):
        orphans.look(now=float(second), at=1e6 + second)
    assert lease.exists()
    driver.kernels = {NAME}
    orphans.look(now=20.0, at=1e6 + 20)
    assert orphans.look(now=21.0, at=1e6 + 21) == 1
    assert not lease.exists()


def test_a_kernel_that_never_appears_is_forgotten_after_a_minute(
    tmp_path: Path, driver: Driver, orphans: Orphans
) -> None:
    lease = leave(tmp_path, NAME, at=1e6)
    orphans.look(now=0.0, at=1e6 + LAUNCH_SECONDS - 1)
    assert lease.exists()
    assert orphans.look(now=1.0, at=1e6 + LAUNCH_SECONDS) == 0
    assert not lease.exists()


def test_a_driver_that_gives_no_answer_is_asked_less_and_less_often_and_nothing_is_forgotten(
    tmp_path: Path, driver: Driver, orphans: Orphans
) -> None:
    lease = leave(tmp_path, NAME)
    driver.silent, driver.kernels = True, {NAME}
    for second in range(600):
        orphans.look(now=float(second), at=1e6 + second)
    assert 600 / LONGEST_PAUSE < len(driver.asked) < 20
    assert lease.exists()
    assert not orphans.left, "a tunnel that stops need not wait for it"
    driver.silent = False
    orphans.look(now=700.0, at=1e6)
    assert orphans.look(now=701.0, at=1e6) == 1


def test_a_folder_whose_keeper_is_gone_is_removed(tmp_path: Path, driver: Driver, orphans: Orphans) -> None:
    lease = leave(tmp_path, NAME)
    driver.stubborn, driver.kernels = True, {NAME}
    seconds = 0.0
    while lease.exists() and seconds < 60:
        orphans.look(now=seconds, at=1e6)
        seconds += 1.0
    assert driver.kernels == set()
    assert STUBBORN_SECONDS < seconds < STUBBORN_SECONDS + 5
    assert [remove for _, remove in driver.asked if remove] == [[NAME], [NAME]]


def test_a_folder_that_cannot_be_removed_is_tried_again_less_and_less_often(
    tmp_path: Path, driver: Driver, orphans: Orphans
) -> None:
    lease = leave(tmp_path, NAME)
    driver.kernels, driver.undeletable = {NAME}, {NAME}
    for second in range(3600):
        orphans.look(now=float(second), at=1e6 + second)
    assert 3600 / LONGEST_PAUSE < len(driver.asked) < STUBBORN_SECONDS + 10 + 3600 / LONGEST_PAUSE
    assert orphans.stuck == {NAME}
    assert not orphans.left, "a tunnel that stops need not wait for it"
    assert lease.exists()
    driver.undeletable = set()
    ended = sum(orphans.look(now=3600.0 + second, at=1e6) for second in range(2 * int(LONGEST_PAUSE) + 2))
    assert ended == 1
    assert not lease.exists()
    assert orphans.stuck == frozenset()


def test_a_folder_that_cannot_be_removed_does_not_keep_another_kernel_waiting(
    tmp_path: Path, driver: Driver, orphans: Orphans
) -> None:
    leave(tmp_path, NAME)
    driver.kernels, driver.undeletable = {NAME}, {NAME}
    for second in range(600):
        orphans.look(now=float(second), at=1e6 + second)
    assert orphans.stuck == {NAME}
    other = leave(tmp_path, OTHER)
    driver.kernels.add(OTHER)
    asked = len(driver.asked)
    orphans.look(now=600.0, at=1e6)
    orphans.look(now=601.0, at=1e6)
    assert not other.exists()
    assert [end for end, _ in driver.asked[asked:]] == [[OTHER], [OTHER]]
    assert orphans.stuck == {NAME}


def test_a_lease_that_cannot_be_removed_is_forgotten_all_the_same(
    tmp_path: Path, driver: Driver, orphans: Orphans, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    leave(tmp_path, NAME)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        for second in range(60):
            assert orphans.look(now=float(second), at=1e6 + second) == 0
    assert len(driver.asked) == 1


def test_what_a_driver_says_of_others_is_not_believed(tmp_path: Path) -> None:
    leave(tmp_path, NAME)
    orphans = Orphans(tmp_path / "control", ask=lambda *_: frozenset({OTHER}))
    orphans.look(now=0.0, at=1e6)
    assert list(tmp_path.iterdir()) == []
    assert not orphans.left


# ---- the supervisor --------------------------------------------------------------------------------------------------


@pytest.fixture
def stage(orphans: Orphans) -> Stage:
    return Stage(orphans=orphans)


def test_the_leases_are_looked_at_every_second_while_there_is_a_connection(
    tmp_path: Path, driver: Driver, stage: Stage
) -> None:
    leave(tmp_path, NAME, at=stage.now + 1e9)
    stage.run(stage.supervisor(), 10)
    assert 9 <= len(driver.asked) <= 11


def test_a_lab_that_was_killed_while_the_connection_was_down_is_cleared_up_once_it_is_back(
    tmp_path: Path, driver: Driver, stage: Stage
) -> None:
    supervisor = stage.supervisor()
    stage.run(supervisor, 5)
    stage.wire.alive, stage.trouble = False, Trouble.UNREACHABLE
    stage.run(supervisor, 5)
    lease = leave(tmp_path, NAME)
    driver.kernels = {NAME}
    stage.run(supervisor, 300)
    assert driver.asked == []
    assert lease.exists()
    stage.trouble = None
    stage.run(supervisor, 10)
    assert driver.kernels == set()
    assert not lease.exists()
    assert "Ended 1 kernel on the driver whose lab is gone." in stage.said


def test_a_tunnel_that_is_stopped_clears_up_before_it_lets_the_connection_go(
    tmp_path: Path, driver: Driver, stage: Stage
) -> None:
    supervisor = stage.supervisor()
    stage.run(supervisor, 5)
    driver.kernels = {NAME}
    lease = leave(tmp_path, NAME)
    closed_when_asked = []
    answer = driver.ask

    def ask_and_look(control: Path, end: Sequence[str], remove: Sequence[str]) -> frozenset[str] | None:
        closed_when_asked.append(stage.wire.closed)
        return answer(control, end, remove)

    supervisor.orphans = Orphans(tmp_path / "control", ask=ask_and_look)
    supervisor.run(lambda: True)
    assert closed_when_asked == [False, False]
    assert stage.wire.closed
    assert not lease.exists()


def test_a_folder_that_cannot_be_removed_is_named_once(tmp_path: Path, driver: Driver, stage: Stage) -> None:
    leave(tmp_path, NAME)
    driver.kernels, driver.undeletable = {NAME}, {NAME}
    supervisor = stage.supervisor()
    stage.run(supervisor, 600)
    assert [line for line in stage.said if f"dbmirror-kernel-{NAME}" in line] == [
        f"The driver's temporary folder 'dbmirror-kernel-{NAME}' of a kernel whose lab is gone could not be removed, "
        "as with files of root in it. It is tried again, less and less often."
    ]
    begin = stage.now
    supervisor.run(lambda: True)
    assert stage.now == begin, "waiting would not help"
    assert len([line for line in stage.said if NAME in line]) == 1


def test_a_connection_is_closed_even_where_clearing_up_fails(stage: Stage, tmp_path: Path) -> None:
    def fail(*_: object) -> frozenset[str]:
        raise OSError("no more processes")

    supervisor = stage.supervisor()
    stage.run(supervisor, 1)
    leave(tmp_path, NAME)
    supervisor.orphans = Orphans(tmp_path / "control", ask=fail)
    with pytest.raises(OSError, match="no more processes"):
        supervisor.run(lambda: True)
    assert stage.wire.closed


@pytest.mark.parametrize("trouble", ["silent", "stubborn"])
def test_a_tunnel_that_is_stopped_does_not_wait_long(
    tmp_path: Path, driver: Driver, stage: Stage, trouble: str
) -> None:
    supervisor = stage.supervisor()
    stage.run(supervisor, 5)
    leave(tmp_path, NAME)
    driver.kernels = {NAME}
    setattr(driver, trouble, True)
    begin = stage.now
    supervisor.run(lambda: True)
    assert stage.now - begin < 4
    assert stage.wire.closed


# ---- the command, on a real sshd -------------------------------------------------------------------------------------


@pytest.fixture
def connection(settings: Settings) -> Iterator[Connection]:
    connection = connect(settings, "127.0.0.1")
    yield connection
    connection.close()


@pytest.fixture
def kernel() -> Iterator[Path]:
    """A kernel's folder where the driver's shell looks for it."""
    folder = Path("/tmp") / f"dbmirror-kernel-{secrets.token_hex(8)}"
    folder.mkdir(0o700)
    (folder / "link").write_text("")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def name_of(folder: Path) -> str:
    return folder.name.rpartition("-")[2]


@pytest.mark.usefixtures("connection")
def test_who_is_told_to_end_finds_its_socket_renamed(settings: Settings, kernel: Path) -> None:
    for _ in range(2):
        assert ask(settings.control, [OTHER, name_of(kernel)], []) == {name_of(kernel)}
        assert [path.name for path in kernel.iterdir()] == ["end"]
    kernel.joinpath("end").unlink()
    kernel.rmdir()
    assert ask(settings.control, [name_of(kernel)], []) == frozenset()


@pytest.mark.usefixtures("connection")
def test_a_folder_is_removed_with_all_that_is_in_it_and_no_other(settings: Settings, kernel: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="dbmirror-kernel-", dir="/tmp") as other:
        assert ask(settings.control, [], [name_of(kernel)]) == {name_of(kernel)}
        assert not kernel.exists()
        assert Path(other).exists()


def test_without_a_connection_there_is_no_answer(settings: Settings) -> None:
    assert ask(settings.control, [NAME], []) is None


def test_without_the_means_to_ask_there_is_no_answer(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert ask(settings.control, [NAME], []) is None


def test_a_driver_that_falls_silent_is_not_waited_for(
    settings: Settings, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dbmirror.lab_containers.tunnel.leases.ANSWER_SECONDS", 0.5)
    os.kill(connection._child.pid, signal.SIGSTOP)
    try:
        assert ask(settings.control, [NAME], []) is None
    finally:
        os.kill(connection._child.pid, signal.SIGCONT)


def test_a_new_connection_leaves_the_leases_as_they_are(settings: Settings) -> None:
    lease = leave(settings.control.parent, NAME)
    connect(replace(settings), "127.0.0.1").close()
    assert lease.exists()
