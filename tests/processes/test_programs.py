"""Child processes end with us: their output, their failures, their interruption."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import dbmirror
from dbmirror.processes.child import LONGEST_LINE
from dbmirror.processes.programs import Ending, ProcessFailed, capture, hand_over, run


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def gone(pid: int) -> bool:
    """Whether no such process runs any more; waits a moment for init to collect it."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
            if "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]:
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.02)
    return False


def test_every_line_of_both_streams_reaches_its_callback_in_order() -> None:
    out: list[str] = []
    error: list[str] = []
    run(
        python("import sys; print('a'); print('b\\r'); sys.stderr.write('c\\nno line end')"),
        on_stdout=out.append,
        on_stderr=error.append,
    )
    assert out == ["a", "b"]
    assert error == ["c", "no line end"]


def test_lines_arrive_while_the_child_still_runs() -> None:
    arrived: list[float] = []
    finished = run(
        python("import time; print('now', flush=True); time.sleep(0.4)"),
        on_stdout=lambda _: arrived.append(time.monotonic()),
    )
    assert time.monotonic() - arrived[0] > 0.2
    assert finished.seconds > 0.2


def test_bytes_that_are_no_utf8_do_not_stop_the_reader() -> None:
    assert run(python(r"import sys; sys.stdout.buffer.write(b'\xff ok\n')")).stdout == "\ufffd ok"


def test_a_failure_carries_the_command_the_code_and_the_last_words() -> None:
    with pytest.raises(ProcessFailed, match="exit code 3: no such thing") as caught:
        run(python("import sys; sys.stderr.write('first\\nno such thing\\n'); sys.exit(3)"))
    assert caught.value.code == 3
    assert caught.value.command.startswith(sys.executable)
    assert caught.value.output == "first\nno such thing"
    assert caught.value.exit_code == 2


def test_a_failure_never_carries_the_credentials_of_a_url() -> None:
    with pytest.raises(ProcessFailed) as caught:
        run(
            [
                *python("import sys; sys.exit('see http://me:hun@ter2@host/x')"),
                "https://me:hunter2@index.example/simple",
            ]
        )
    assert "ter2" not in str(caught.value) + caught.value.command + caught.value.output
    assert "https://***@index.example/simple" in caught.value.command


def test_without_check_a_failure_is_a_result() -> None:
    assert run(python("raise SystemExit(7)"), check=False).code == 7


def test_a_program_that_is_not_there_is_an_error_that_names_it() -> None:
    with pytest.raises(ProcessFailed, match="'no-such-program' could not be started"):
        run(["no-such-program"])


def test_the_child_gets_exactly_the_environment_and_folder_that_were_asked_for(tmp_path: Path) -> None:
    finished = run(
        python("import os; print(sorted(k for k in os.environ if k[0] != 'L')); print(os.getcwd())"),
        environment={"ONLY": "this"},
        folder=tmp_path,
    )
    assert finished.stdout.splitlines() == ["['ONLY']", str(tmp_path)]


def test_a_child_that_takes_too_long_is_stopped_and_said_so() -> None:
    started = time.monotonic()
    with pytest.raises(ProcessFailed, match="took longer than 1 s"):
        run(python("import time; time.sleep(60)"), timeout=0.6)
    assert time.monotonic() - started < 5


STUBBORN = (
    "import os, signal, sys, time, subprocess\n"
    "[signal.signal(s, signal.SIG_IGN) for s in (signal.SIGINT, signal.SIGTERM)]\n"
    "print(os.getpid(), flush=True)\n"
    "if len(sys.argv) < 2:\n"
    "    subprocess.Popen([sys.executable, __file__, 'x'])\n"
    "time.sleep(60)\n"
)


def test_a_child_and_grandchild_that_ignore_signals_are_killed_in_the_end(tmp_path: Path) -> None:
    program = tmp_path / "stubborn.py"
    program.write_text(STUBBORN)
    pids: list[int] = []

    def enough(line: str) -> None:
        pids.append(int(line))
        if len(pids) == 2:
            raise LookupError

    with pytest.raises(LookupError):
        run([sys.executable, str(program)], on_stdout=enough, interrupt_seconds=0.2, terminate_seconds=0.2)
    assert all(gone(pid) for pid in pids)


def test_an_error_in_a_callback_stops_the_child_and_goes_on() -> None:
    pids: list[int] = []

    def fail(line: str) -> None:
        pids.append(int(line))
        raise LookupError(line)

    with pytest.raises(LookupError):
        run(python("import os, time; print(os.getpid(), flush=True); time.sleep(60)"), on_stdout=fail)
    assert gone(pids[0])


def test_ctrl_c_leaves_no_child(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    child = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    program = f"import sys; from dbmirror.processes.programs import run; run([sys.executable, '-c', {child!r}])"
    parent = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE)
    wait_for(lambda: pid_file.is_file() and bool(pid_file.read_text()))
    parent.send_signal(signal.SIGINT)
    _, error = parent.communicate(timeout=20)
    assert b"KeyboardInterrupt" in error
    assert gone(int(pid_file.read_text()))


def test_a_grandchild_that_holds_the_pipe_does_not_hold_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbmirror.processes.child.DRAIN_SECONDS", 0.3)
    started = time.monotonic()
    pid = run(
        python(
            "import subprocess, sys\n"
            "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(20)'], start_new_session=True)\n"
            "print(child.pid)\n"
        )
    ).stdout
    assert 0.3 < time.monotonic() - started < 10
    os.kill(int(pid), signal.SIGKILL)


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def test_capture_gives_bytes_of_both_streams_and_takes_stdin() -> None:
    data = os.urandom(3_000_000)
    done = capture(
        python("import sys; d = sys.stdin.buffer.read(); sys.stdout.buffer.write(d); sys.exit(3)"),
        timeout=30,
        stdin=data,
    )
    assert (done.code, done.stdout, done.stderr) == (3, data, b"")
    assert "stdout" not in repr(done)
    with pytest.raises(ProcessFailed, match="exit code 4: no such thing") as caught:
        capture(python("import sys; sys.stderr.write('no such thing'); sys.exit(4)"), timeout=30, check=True)
    assert caught.value.ending is Ending.FAILED


def test_a_child_that_reads_only_a_part_of_its_stdin_still_ends() -> None:
    assert capture(["head", "-c", "3"], timeout=30, stdin=b"abc" * 1_000_000).stdout == b"abc"


ENDLESS = "import os, sys\nprint(os.getpid(), file=sys.stderr, flush=True)\nwhile True: os.write(1, b'x' * 65536)"


def test_output_without_an_end_is_not_kept_to_it() -> None:
    with pytest.raises(ProcessFailed, match="printed more than 1000000 bytes and was stopped") as caught:
        capture(python(ENDLESS), timeout=60, limit=1_000_000)
    assert caught.value.ending is Ending.TOO_MUCH


def test_a_line_without_an_end_comes_in_pieces_and_a_slow_reader_is_waited_for() -> None:
    pieces: list[int] = []
    pids: list[int] = []

    def take(piece: str) -> None:
        pieces.append(len(piece))
        time.sleep(0.1)
        if len(pieces) == 3:
            raise LookupError

    with pytest.raises(LookupError):
        run(python(ENDLESS), on_stdout=take, on_stderr=lambda line: pids.append(int(line)))
    assert all(LONGEST_LINE <= size < LONGEST_LINE + 70_000 for size in pieces)
    assert gone(pids[0])


def test_what_a_failure_repeats_commands_no_terminal() -> None:
    with pytest.raises(ProcessFailed) as caught:
        run(python(r"import sys; sys.exit('\x1b[2Jbad\x9b31m\u202e token=hunter2')"))
    assert "hunter2" not in str(caught.value) + caught.value.output
    assert "\x1b" not in caught.value.output
    assert "\x9b" not in str(caught.value)


@pytest.mark.parametrize(
    ("argv", "ending"),
    [
        (["no-such-program"], Ending.MISSING),
        (["/etc/passwd"], Ending.NOT_STARTED),
        (["a\0b"], Ending.NOT_STARTED),
        ([], Ending.NOT_STARTED),
    ],
)
def test_a_program_that_cannot_be_started_says_how(argv: list[str], ending: Ending) -> None:
    for call in (run, lambda argv: capture(argv, timeout=5)):
        with pytest.raises(ProcessFailed, match="could not be started") as caught:
            call(argv)
        assert caught.value.ending is ending


def test_a_terminate_ends_a_capture_with_its_grandchildren(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    child = f"sleep 60 & echo $! > {pid_file}; wait"
    program = (
        "from dbmirror.cli.interruption import signals_heard\nfrom dbmirror.processes.programs import capture\n"
        f"with signals_heard(): capture(['sh', '-c', {child!r}], timeout=60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE)
    wait_for(lambda: pid_file.is_file() and bool(pid_file.read_text().strip()))
    parent.send_signal(signal.SIGTERM)
    parent.communicate(timeout=20)
    assert gone(int(pid_file.read_text()))


def test_the_terminals_program_gives_its_code() -> None:
    assert hand_over(["sh", "-c", "exit 7"]) == 7
    with pytest.raises(ProcessFailed):
        hand_over(["no-such-program"])


def test_no_other_module_runs_programs() -> None:
    """What runs in a container or on a driver has no dbmirror to import; there each program is its own."""
    package = Path(dbmirror.__file__).parent
    own = {"processes/child.py", "processes/programs.py", "sandbox/driver/collect.py", "verify/sent/attempts.py"}
    own |= {"hosts/sent/runner.py", "inventory/sent/cell.py"}
    own |= {"sandbox/workspace/contexts.py"}  # starts them by processes.child
    runs = re.compile(r"^import subprocess|subprocess\.(Popen|run|check_)|os\.(system|popen|exec|spawn)", re.MULTILINE)
    users = {path.relative_to(package).as_posix() for path in package.rglob("*.py") if runs.search(path.read_text())}
    assert {user for user in users if not user.startswith("lab_containers/")} == own


def test_a_signal_while_a_child_is_started_leaves_no_child(tmp_path: Path) -> None:
    """The child is slow to become a program of its own; the signal comes in that time."""
    pid_file = tmp_path / "pid"
    program = (
        "import os, signal, subprocess, sys\n"
        "from dbmirror.processes.programs import run\n"
        "start = subprocess.Popen.__init__\n"
        "def slow(self, *given, **named):\n"
        "    start(self, *given, **named)\n"
        f"    open({str(pid_file)!r}, 'w').write(str(self.pid))\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "subprocess.Popen.__init__ = slow\n"
        "run(['sleep', '60'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, timeout=30)
    assert b"KeyboardInterrupt" in done.stderr
    assert gone(int(pid_file.read_text()))
