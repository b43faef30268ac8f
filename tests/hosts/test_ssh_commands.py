from __future__ import annotations

import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dbmirror.hosts import ssh_channel
from dbmirror.hosts.interface import HostError
from dbmirror.hosts.known_hosts import KnownHosts
from dbmirror.hosts.ssh import SshHost, connect
from dbmirror.hosts.ssh_errors import CommandTookTooLong, ConnectionLost, FileNotFetched, HostSilent, NoCommandRan
from tests.hosts.conftest import Sshd, left_running, target_of


def test_a_command_gives_its_output_errors_and_code(host: SshHost) -> None:
    done = host.run(["sh", "-c", "echo out; echo wrong >&2; exit 7"])
    assert (done.stdout, done.stderr, done.code) == (b"out\n", b"wrong\n", 7)
    assert done.argv == ("sh", "-c", "echo out; echo wrong >&2; exit 7")


@pytest.mark.parametrize(
    "word", ["a b", "$(touch /nowhere)", "'", '"', "`id`", "new\nline", "*", "", "ünï", "-n", "a;b"]
)
def test_every_argument_arrives_as_it_was_given(host: SshHost, word: str) -> None:
    done = host.run(["printf", "%s|", "first", word])
    assert done.stdout == b"first|" + word.encode() + b"|"


def test_a_program_that_is_missing_is_a_code(host: SshHost) -> None:
    assert host.run(["no-such-program"]).code == 127


def test_a_signal_is_128_plus_its_number(host: SshHost) -> None:
    assert host.run(["sh", "-c", "kill -9 $$"]).code == 137


def test_stdin_arrives_byte_for_byte(host: SshHost) -> None:
    sent = bytes(range(256)) * 1000
    assert host.run(["cat"], stdin=sent).stdout == sent


def test_large_input_and_output_at_the_same_time_do_not_block(host: SshHost) -> None:
    sent = os.urandom(1 << 20) * 8
    done = host.run(["sh", "-c", "cat; head -c 3000000 /dev/zero >&2"], stdin=sent)
    assert done.stdout == sent
    assert len(done.stderr) == 3_000_000


def test_a_hundred_megabytes_of_output_are_read(host: SshHost) -> None:
    assert len(host.run(["head", "-c", "100000000", "/dev/zero"], limit=100_000_000).stdout) == 100_000_000


@pytest.mark.parametrize("redirect", ["", " >&2"])
def test_output_without_an_end_is_not_read_to_it(host: SshHost, tmp_path: Path, redirect: str) -> None:
    """A driver once sent 2.9 GB, all of which was kept."""
    started = time.monotonic()
    with pytest.raises(HostError, match=r"printed more than \d+ MiB and was stopped"):
        host.run(["sh", "-c", f"echo $$ > {tmp_path}/pid; cat /dev/zero{redirect}"], timeout=300)
    assert time.monotonic() - started < 60
    pid = (tmp_path / "pid").read_text().strip()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, "it still runs"
        time.sleep(0.05)


def test_a_command_that_does_not_read_its_stdin_still_ends(host: SshHost) -> None:
    done = host.run(["echo", "done"], stdin=b"x" * 5_000_000)
    assert (done.stdout, done.code) == (b"done\n", 0)


def test_a_command_that_closes_its_output_early_is_waited_for(host: SshHost) -> None:
    assert host.run(["sh", "-c", "exec >&- 2>&-; sleep 0.3; exit 4"]).code == 4


def test_many_commands_run_over_one_connection(host: SshHost) -> None:
    assert [host.run(["echo", str(n)]).stdout for n in range(5)] == [b"%d\n" % n for n in range(5)]


def test_no_command_at_all_is_a_mistake_of_the_caller(host: SshHost) -> None:
    with pytest.raises(ValueError, match="no command"):
        host.run([])


def test_a_command_that_takes_too_long_is_stopped_on_the_other_side(host: SshHost, tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(CommandTookTooLong, match=r"did not end within 0\.5 s"):
        host.run(["sh", "-c", f"echo $$ >{tmp_path}/pid; sleep 60; true"], timeout=0.5)
    assert time.monotonic() - began < 5
    assert _ends(tmp_path / "pid")
    assert host.run(["echo", "still there"]).stdout == b"still there\n"


def test_a_command_that_prints_without_end_is_stopped_at_its_time(host: SshHost) -> None:
    with pytest.raises(CommandTookTooLong):
        host.run(["sh", "-c", "while :; do echo y; sleep 0.01; done"], timeout=0.5)


def test_a_file_is_fetched_whole(host: SshHost, tmp_path: Path) -> None:
    path = tmp_path / "it's a $(strange) name\n"
    path.write_bytes(bytes(range(256)) * 40)
    assert host.fetch(str(path)) == path.read_bytes()


def test_an_empty_file_is_fetched(host: SshHost, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert host.fetch(str(tmp_path / "empty")) == b""


def test_a_file_of_just_the_limit_is_fetched_and_a_larger_one_is_not(host: SshHost, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100_000)
    assert len(host.fetch(str(tmp_path / "file"), limit=100_000)) == 100_000
    with pytest.raises(FileNotFetched, match="is larger than 99999 bytes"):
        host.fetch(str(tmp_path / "file"), limit=99_999)


@pytest.mark.parametrize(
    ("path", "reason"), [("/no/such/file", "No such file"), ("/tmp", "directory"), ("a", "absolute")]
)
def test_a_file_that_cannot_be_fetched_says_why(host: SshHost, path: str, reason: str) -> None:
    with pytest.raises(FileNotFetched, match=reason) as caught:
        host.fetch(path)
    assert isinstance(caught.value, HostError)


def test_what_a_shell_start_up_file_prints_is_cut_off(
    start_sshd: Callable[..., Sshd], known_hosts: KnownHosts, login_key: Path, tmp_path: Path
) -> None:
    (tmp_path / ".bashrc").write_text("echo 'Welcome to this cluster'; printf 'no new line'\n")
    (tmp_path / "banner").write_text("All you do is watched.\n")
    (tmp_path / "file").write_bytes(b"\0content")
    server = start_sshd(f"SetEnv HOME={tmp_path}", f"Banner {tmp_path / 'banner'}", "PrintMotd yes")
    with connect(target_of(server, login_key), known_hosts=known_hosts, confirm=None, accept_new=True) as host:
        assert host.run(["echo", "mine"]).stdout == b"mine\n"
        assert host.fetch(str(tmp_path / "file")) == b"\0content"


NOLOGIN = shutil.which("nologin") or "/usr/sbin/nologin"


@pytest.mark.parametrize(
    ("forced", "named"),
    [
        (NOLOGIN, r"its account has no login shell \(nologin\): 'This account is currently not available'"),
        ("/bin/false", "its login shell ended before the command, with code 1 and said nothing"),
        ("echo forced", "its login shell ended before the command, with code 0 and said: forced"),
    ],
)
def test_a_login_that_runs_something_else_is_named_as_that(
    start_sshd: Callable[..., Sshd], known_hosts: KnownHosts, login_key: Path, forced: str, named: str
) -> None:
    server = start_sshd(f"ForceCommand {forced}")
    with (
        connect(target_of(server, login_key), known_hosts=known_hosts, confirm=None, accept_new=True) as host,
        pytest.raises(NoCommandRan, match=named),
    ):
        host.run(["echo", "mine"])


@pytest.mark.parametrize(
    ("start_up", "named"),
    [
        ("exit 0", "its login shell ended before the command, with code 0"),
        ("echo gone >&2; exec false", "its login shell ended before the command, with code 1 and said: gone"),
        ("exec sh", r"its login shell did not come to the command within 2 s"),
        ("sleep 300", r"its login shell did not come to the command within 2 s"),
    ],
)
def test_a_start_up_file_that_keeps_the_shell_from_the_command_is_named_and_given_no_input(
    start_sshd: Callable[..., Sshd],
    known_hosts: KnownHosts,
    login_key: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    start_up: str,
    named: str,
) -> None:
    monkeypatch.setattr(ssh_channel, "START", 2.0)
    monkeypatch.setattr("dbmirror.hosts.ssh.START", 2.0)
    (tmp_path / ".bashrc").write_text(f"{start_up}\n")
    server = start_sshd(f"SetEnv HOME={tmp_path}")
    with (
        connect(target_of(server, login_key), known_hosts=known_hosts, confirm=None, accept_new=True) as host,
        pytest.raises(NoCommandRan, match=named) as caught,
    ):
        host.run(["cat"], stdin=f"touch {tmp_path}/taken-for-a-command\n".encode())
    assert "~/.bashrc" in caught.value.remedy
    assert not (tmp_path / "taken-for-a-command").exists()


END_OF_THIS_SESSION = "kill -9 $(ps -o ppid= -p $PPID)"
"""$PPID of the login shell is the sshd of this one session."""


def test_a_connection_that_breaks_in_the_middle_is_made_once_more(host: SshHost, tmp_path: Path) -> None:
    command = f"cat; test -e {tmp_path}/broken || {{ touch {tmp_path}/broken; sleep 0.2; {END_OF_THIS_SESSION}; }}"
    assert host.run(["sh", "-c", command], stdin=b"whole\n").stdout == b"whole\n"
    assert host.run(["echo", "on"]).stdout == b"on\n"


def test_a_connection_that_breaks_each_time_is_said_so(host: SshHost, tmp_path: Path) -> None:
    with pytest.raises(ConnectionLost, match="while 'sh' ran"):
        host.run(["sh", "-c", f"echo >>{tmp_path}/runs; sleep 0.2; {END_OF_THIS_SESSION}"])
    assert (tmp_path / "runs").read_text() == "\n\n"


def test_a_second_connection_to_a_host_with_another_key_is_refused(
    start_sshd: Callable[..., Sshd], known_hosts: KnownHosts, login_key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, other = start_sshd(), start_sshd()
    with connect(target_of(server, login_key), known_hosts=known_hosts, confirm=None, accept_new=True) as host:
        monkeypatch.setattr("dbmirror.hosts.ssh_transport.connect_tcp", _leads_to(other))
        with pytest.raises(ConnectionLost, match=r"a second connection failed: The host key of .* has changed"):
            host.run(["sh", "-c", f"sleep 0.2; {END_OF_THIS_SESSION}"])


def _leads_to(other: Sshd) -> Callable[..., socket.socket]:
    return lambda *_: socket.create_connection(("127.0.0.1", other.port))


def test_ctrl_c_leaves_no_process_and_no_thread(
    sshd: Sshd, known_hosts: KnownHosts, login_key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = threading.enumerate()
    pid_file = tmp_path / "pid"

    def interrupted(*_: object) -> tuple[list[int], list[int], list[int]]:
        time.sleep(0.05)
        if pid_file.is_file() and pid_file.read_text().endswith("\n"):
            raise KeyboardInterrupt
        return [], [], []

    with connect(target_of(sshd, login_key), known_hosts=known_hosts, confirm=None, accept_new=True) as host:
        monkeypatch.setattr("dbmirror.hosts.ssh_channel.select.select", interrupted)
        with pytest.raises(KeyboardInterrupt):
            host.run(["sh", "-c", f"echo $$ >{pid_file}; sleep 60; true"])
        monkeypatch.undo()
    assert left_running(threads) == []
    assert _ends(pid_file)


def _ends(pid_file: Path) -> bool:
    """Whether the process of that id is gone within some seconds."""
    process = int(pid_file.read_text())
    for _ in range(100):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_a_host_that_stops_in_the_middle_is_named_as_that(
    host: SshHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ssh_channel.SILENCE + ssh_channel.ANSWER + 3 < 30, "seconds until the message"
    monkeypatch.setattr(ssh_channel, "SILENCE", 0.3)
    monkeypatch.setattr(ssh_channel, "ANSWER", 0.5)
    stopped = tmp_path / "pid"
    began = time.monotonic()
    try:
        with pytest.raises(HostSilent, match="stopped answering"):
            host.run(["sh", "-c", f"ps -o ppid= -p $PPID >{stopped}; kill -STOP $(cat {stopped}); sleep 60"])
    finally:
        os.kill(int(stopped.read_text()), signal.SIGCONT)
    assert time.monotonic() - began < 20


def test_a_command_that_is_silent_on_a_host_that_lives_is_waited_for(
    host: SshHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh_channel, "SILENCE", 0.1)
    monkeypatch.setattr(ssh_channel, "ANSWER", 0.3)
    assert host.run(["sh", "-c", "sleep 2; echo there"]).stdout == b"there\n"
