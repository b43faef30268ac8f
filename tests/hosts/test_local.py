"""This machine as a host."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from dbmirror.hosts.interface import HostError
from dbmirror.hosts.local import LocalHost


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def ends(pid: int) -> bool:
    """Whether the process is gone within seconds: a signal that was sent may still be on its way."""
    until = time.monotonic() + 5
    while is_running(pid) and time.monotonic() < until:
        time.sleep(0.01)
    return not is_running(pid)


def wait_for(file: Path) -> int:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if file.exists() and file.read_text().strip():
            return int(file.read_text())
        time.sleep(0.01)
    raise AssertionError(f"{file} was never written")


def test_a_command_gets_its_stdin_and_gives_back_both_outputs_and_its_code() -> None:
    completed = LocalHost().run(["sh", "-c", "cat; echo problem >&2; exit 3"], stdin=b"\x00\xffbytes")

    assert (completed.code, completed.stdout, completed.stderr) == (3, b"\x00\xffbytes", b"problem\n")


def test_no_shell_reads_the_arguments() -> None:
    assert LocalHost().run(["printf", "%s", "$(id); *"]).stdout == b"$(id); *"


def test_a_command_without_stdin_reads_an_empty_one() -> None:
    assert LocalHost().run(["cat"], timeout=5).stdout == b""


def test_large_data_flows_both_ways_at_once() -> None:
    data = os.urandom(5_000_000)

    assert LocalHost().run(["cat"], stdin=data).stdout == data


def test_a_command_that_reads_only_part_of_its_stdin_still_ends() -> None:
    assert LocalHost().run(["head", "-c", "3"], stdin=b"abc" * 1_000_000).stdout == b"abc"


def test_a_command_that_a_signal_ended_has_the_code_that_a_shell_would_give() -> None:
    assert LocalHost().run(["sh", "-c", "kill -KILL $$"]).code == 128 + signal.SIGKILL


def test_a_missing_program_is_named() -> None:
    with pytest.raises(HostError, match="'no-such-program' cannot be run on this machine"):
        LocalHost().run(["no-such-program"])


def test_at_the_deadline_the_whole_process_group_ends(tmp_path: Path) -> None:
    child = tmp_path / "child"
    script = f"sleep 300 & echo $! > {child}; wait"

    with pytest.raises(HostError, match=r"did not end within 0\.5 seconds"):
        LocalHost().run(["sh", "-c", script], timeout=0.5)

    assert ends(wait_for(child))


def test_a_command_that_ignores_the_request_to_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbmirror.hosts.local.GRACE", 0.2)
    leader = tmp_path / "leader"
    script = f"trap '' TERM; echo $$ > {leader}; while :; do sleep 0.05; done"

    with pytest.raises(HostError):
        LocalHost().run(["sh", "-c", script], timeout=0.5)

    assert ends(wait_for(leader))


def test_what_a_command_leaves_in_the_background_ends_with_it(tmp_path: Path) -> None:
    child = tmp_path / "child"

    LocalHost().run(["sh", "-c", f"sleep 300 >/dev/null 2>&1 </dev/null & echo $! > {child}"])

    assert ends(wait_for(child))


def test_an_interruption_ends_the_command_and_goes_on(tmp_path: Path) -> None:
    leader = tmp_path / "leader"

    def interrupt() -> None:
        wait_for(leader)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        LocalHost().run(["sh", "-c", f"echo $$ > {leader}; exec sleep 300"])
    thread.join()

    assert not is_running(wait_for(leader))


def test_fetch_gives_the_content_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\x00content")

    assert LocalHost().fetch(str(tmp_path / "file")) == b"\x00content"


def test_fetch_refuses_a_file_above_the_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")

    assert LocalHost().fetch(str(tmp_path / "file"), limit=5) == b"12345"
    with pytest.raises(HostError, match="larger than 4 bytes"):
        LocalHost().fetch(str(tmp_path / "file"), limit=4)


def test_fetch_says_what_is_wrong_with_a_path(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, message in (
        (str(tmp_path / "missing"), "No such file"),
        (str(tmp_path), "not a regular file|Is a directory"),
        (str(tmp_path / "pipe"), "not a regular file"),
        ("relative", "not an absolute path"),
    ):
        with pytest.raises(HostError, match=message):
            LocalHost().fetch(path)


def test_it_is_a_context_manager() -> None:
    with LocalHost() as host:
        assert host.run([sys.executable, "-c", "print('hello')"]).stdout == b"hello\n"
