"""Child processes end with us: their output, their failures, their interruption."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dbmirror.process import ProcessFailed, run


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
    assert caught.value.exit_code == 4


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
    program = f"import sys; from dbmirror.process import run; run([sys.executable, '-c', {child!r}])"
    parent = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE)
    wait_for(lambda: pid_file.is_file() and bool(pid_file.read_text()))
    parent.send_signal(signal.SIGINT)
    _, error = parent.communicate(timeout=20)
    assert b"KeyboardInterrupt" in error
    assert gone(int(pid_file.read_text()))


def test_a_grandchild_that_holds_the_pipe_does_not_hold_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbmirror.process.DRAIN_SECONDS", 0.3)
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
