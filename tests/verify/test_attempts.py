"""The attempts, run for real by this Python over a folder of distributions with every odd case."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dbmirror.hosts.interface import Completed, Host
from dbmirror.lock.fates import FateKind
from dbmirror.processes.programs import LARGEST_OUTPUT
from dbmirror.verify import attempts as attempting
from dbmirror.verify.attempts import Heard, NotStarted, Program, Results, attempt_all
from dbmirror.verify.errors import VerificationFailed
from dbmirror.verify.imports import NOT_TRIED, attempts, to_try
from dbmirror.verify.r_facts import r_programs
from tests.verify.conftest import fate


class Here:
    """This machine as a host, with the folder `library` on the path of its Python."""

    name = "here"

    def __init__(self, library: Path) -> None:
        # -I ignores PYTHONPATH, so the folder is put on the path from within.
        self.start = f"import sys; sys.path.insert(0, {str(library)!r}); exec(sys.stdin.read())"

    def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0, limit: int = LARGEST_OUTPUT
    ) -> Completed:
        command = [sys.executable, "-I", "-S", "-c", self.start]
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=timeout, check=False)
        return Completed(tuple(command), done.returncode, done.stdout, done.stderr)

    def fetch(self, path: str, *, limit: int = 1 << 30) -> bytes:
        raise NotImplementedError(path)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return tmp_path


def tried(library: Path, *modules: str, programs: dict[str, Program] | None = None, **files: str) -> Results:
    for name, content in files.items():
        (library / f"{name}.py").write_text(content)
    return attempt_all(Here(library), [*files, *modules], programs, users=())


def test_the_last_line_of_the_traceback_is_told(library: Path) -> None:
    found = tried(library, broken_one="import no_such_module_here", broken_two="raise SystemExit(3)", fine="")
    assert found.imports == {
        "broken_one": "ModuleNotFoundError: No module named 'no_such_module_here'",
        "broken_two": "SystemExit: 3",
        "fine": None,
    }


def test_a_module_that_ends_the_interpreter_or_crashes_is_told_and_stops_no_other(library: Path) -> None:
    found = tried(
        library,
        crash_exit="import os; os._exit(7)",
        crash_signal="import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
        crash_not="print('noise'); import sys; sys.stderr.write('noise')",
    )
    assert found.imports == {
        "crash_exit": "it ended the interpreter with code 7",
        "crash_not": None,
        "crash_signal": "it was ended by SIGSEGV",
    }


def test_an_import_that_hangs_ends_at_its_deadline_with_its_children(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempting, "ATTEMPT_SECONDS", 1.0)
    pid_file = library / "pid"
    hang = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(pid_file)!r}, 'w').write(str(child.pid)); time.sleep(60)\n"
    )
    started = time.monotonic()
    assert tried(library, hang=hang, quick="").imports == {"hang": "it did not end within 1 s", "quick": None}
    assert time.monotonic() - started < 30
    status = Path(f"/proc/{pid_file.read_text()}/stat")
    assert not status.exists() or " Z " in status.read_text()


def test_an_import_is_not_late_for_what_it_waits_for_a_busy_processor(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempting, "ATTEMPT_SECONDS", 0.4)
    allowed = os.sched_getaffinity(0)
    working = "import time\nwhile time.process_time() < 0.12: pass\n"
    os.sched_setaffinity(0, {min(allowed)})
    busy = [sys.executable, "-S", "-c", "while True: pass"]
    # In sessions of their own: Linux gives each session an equal share.
    others = [subprocess.Popen(busy, start_new_session=True) for _ in range(6)]
    started = time.monotonic()
    try:
        assert tried(library, working=working).imports == {"working": None}
        assert time.monotonic() - started > 0.4, "it waited for nothing, so this shows nothing"
    finally:
        os.sched_setaffinity(0, allowed)
        for each in others:
            each.kill()
            each.wait()


def test_a_module_has_no_descriptor_of_another_and_knows_no_question(library: Path) -> None:
    """What it says goes to its own file: it can answer for nobody else."""
    spy = (
        "import os, sys\n"
        "held = sorted(int(name) for name in os.listdir('/proc/self/fd'))\n"
        "files = [os.readlink(f'/proc/self/fd/{n}') for n in held if os.path.exists(f'/proc/self/fd/{n}')]\n"
        "assert all(file == '/dev/null' or '(deleted)' in file for file in files), files\n"
        "assert len([file for file in files if '(deleted)' in file]) <= 1, files\n"
    )
    forger = (
        "import os, json\n"
        "forged = json.dumps({'imports': {'victim': None}, 'programs': {}}).encode()\n"
        "for number in range(64):\n"
        "    try:\n"
        "        os.write(number, b'\\n' + forged + b'\\n')\n"
        "    except OSError:\n"
        "        pass\n"
    )
    found = tried(library, spy=spy, forger=forger, victim="raise ValueError('I am broken')").imports
    assert found["spy"] is None, found["spy"]
    assert found["victim"] == "ValueError: I am broken"


def test_a_program_is_told_by_its_code_and_the_end_of_its_output(library: Path) -> None:
    programs = {
        "loud": Program(argv=("sh", "-c", "seq 1 5000; exit 3")),
        "reads": Program(argv=("cat",), stdin="what it was given"),
        "gone": Program(argv=("no-such-program-here",)),
    }
    found = tried(library, programs=programs).programs
    assert (found["loud"].code, found["loud"].last_line) == (3, "5000")
    assert (found["reads"].code, found["reads"].output) == (0, "what it was given")
    assert found["gone"].code == 127


def test_what_fails_for_it_is_not_root_is_tried_again_by_itself(library: Path) -> None:
    """As in a package that asks for its user's account: a cluster's user is root."""
    picky = "import os\nif not os.environ.get('DBMIRROR_TEST_ALONE'): raise PermissionError(13, 'Permission denied')\n"
    (library / "picky.py").write_text(picky)
    (library / "broken.py").write_text("1/0")
    made = []

    @contextmanager
    def alone() -> Iterator[Host]:
        made.append("one")
        os.environ["DBMIRROR_TEST_ALONE"] = "1"
        try:
            yield Here(library)
        finally:
            del os.environ["DBMIRROR_TEST_ALONE"]

    found = attempt_all(Here(library), ["picky", "broken"], users=(), alone=alone).imports
    assert found == {"picky": None, "broken": "ZeroDivisionError: division by zero"}
    assert made == ["one"]


class Saying:
    """A host that answers with fixed bytes."""

    name = "an image"

    def __init__(self, stdout: bytes, stderr: bytes = b"", code: int = 1) -> None:
        self.completed = Completed(("x",), code, stdout, stderr)

    def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0, limit: int = LARGEST_OUTPUT
    ) -> Completed:
        return self.completed

    def fetch(self, path: str, *, limit: int = 1 << 30) -> bytes:
        raise NotImplementedError(path)


def test_attempts_that_do_not_start_are_an_error_with_its_last_words() -> None:
    with pytest.raises(VerificationFailed, match="Fatal Python error"):
        attempt_all(Saying(b"banner\n", b"x\nFatal Python error\n"), ["a"])
    with pytest.raises(NotStarted, match="not found"):
        attempt_all(Saying(b"", b"sh: python: not found\n", 127), ["a"])


def test_an_attempt_is_made_of_each_module_and_nothing_is_dropped_in_silence() -> None:
    modules = {"a": ["a", "a_x"], "empty": [], "p": ["_p"]}
    assert to_try(modules) == ["a", "a_x"]
    found = attempts(
        modules,
        {"a": None, "a_x": "ModuleNotFoundError: No module named 'b'"},
        fates={"b": [fate("b", kind=FateKind.EXCLUDED, reason="blacklist (b): no")]},
    )
    assert [(attempt.distribution, attempt.module, attempt.error, attempt.expected) for attempt in found] == [
        ("a", "a", None, None),
        ("a", "a_x", "ModuleNotFoundError: No module named 'b'; b 1.0 is excluded: blacklist (b): no", None),
        ("empty", "-", NOT_TRIED, "it has no importable module"),
        ("p", "_p", NOT_TRIED, "private module"),
    ]


def test_each_import_is_told_when_it_begins_however_the_output_is_cut() -> None:
    said: list[str] = []
    heard = Heard(b"c0ffee ", said.append)
    for (
        letter
    ) in b"banner\nc0ffee import 1 of 2: one\nother import 9 of 9: forged\nc0ffee import 2 of 2: json\nc0ffee{}":
        heard.piece(bytes([letter]))
    assert said == ["import 1 of 2: one", "import 2 of 2: json"]


def test_an_import_cannot_tell_of_another(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = []
    run = Here.run

    def keeping(self: Here, argv: Sequence[str], **named: Any) -> Completed:
        outputs.append(run(self, argv, **named))
        return outputs[-1]

    monkeypatch.setattr(Here, "run", keeping)
    tried(library, one="import sys\nprint(sys.modules['__main__'].NONCE, 'import 9 of 9: forged', flush=True)\n")
    assert b"import 1 of 1: one\n" in outputs[0].stdout
    assert b"forged" not in outputs[0].stdout


def test_a_program_says_what_it_is_when_it_begins(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = []
    run = Here.run

    def keeping(self: Here, argv: Sequence[str], **named: Any) -> Completed:
        outputs.append(run(self, argv, **named))
        return outputs[-1]

    monkeypatch.setattr(Here, "run", keeping)
    words = {"R": "", "load dplyr": "R package 1 of 1: dplyr"}
    tried(library, programs={name: Program(argv=("true",), told=told) for name, told in words.items()})
    said: list[str] = []
    nonce = outputs[0].stdout.split()[0]
    Heard(nonce + b" ", said.append).piece(outputs[0].stdout)
    assert said == ["R package 1 of 1: dplyr"]


def test_each_r_package_is_told_with_its_number() -> None:
    programs = r_programs(["zoo", "dplyr"], "nonce")
    assert [each.told for each in programs.values()] == ["", "R package 1 of 2: dplyr", "R package 2 of 2: zoo"]
