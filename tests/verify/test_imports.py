"""The import probe, run for real by this Python over a folder of distributions with every odd case."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from dbmirror.hosts.interface import Completed
from dbmirror.lock.model import FateKind
from dbmirror.processes.programs import LARGEST_OUTPUT
from dbmirror.verify import imports
from dbmirror.verify.errors import VerificationFailed
from dbmirror.verify.imports import NOT_TRIED, Heard, Tried, attempts, try_imports
from dbmirror.verify.sent_programs import sent
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
        command = [sys.executable, "-I", "-c", self.start, *argv[3:]]
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=timeout, check=False)
        return Completed(tuple(command), done.returncode, done.stdout, done.stderr)

    def fetch(self, path: str, *, limit: int = 1 << 30) -> bytes:
        raise NotImplementedError(path)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return tmp_path


def install(library: Path, name: str, files: dict[str, str], *, record: bool = True) -> None:
    metadata = library / f"{name.replace('-', '_')}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    for path, content in files.items():
        (library / path).parent.mkdir(parents=True, exist_ok=True)
        (library / path).write_text(content)
    if record:
        (metadata / "RECORD").write_text("".join(f"{path},,\n" for path in files))


def tried(library: Path, *names: str, modules: Sequence[str] = ()) -> Tried:
    return try_imports(Here(library), names, modules=modules)


def test_packages_modules_and_compiled_modules_are_found_and_tried(library: Path) -> None:
    install(
        library, "many-kinds", {"kind_package/__init__.py": "", "kind_package/inner.py": "1/0", "kind_module.py": ""}
    )
    assert tried(library, "many-kinds").distributions == {
        "many-kinds": [("kind_module", None, None), ("kind_package", None, None)]
    }


def test_a_namespace_package_is_tried_below_its_first_real_package(library: Path) -> None:
    install(
        library, "space", {"shared/cloud/part/__init__.py": "", "shared/cloud/part/x.py": "1/0", "shared/one.py": ""}
    )
    modules = [module for module, _, _ in tried(library, "space").distributions["space"]]
    assert modules == ["shared.cloud.part", "shared.one"]


def test_the_last_line_of_the_traceback_is_told(library: Path) -> None:
    install(library, "broken", {"broken_one.py": "import no_such_module_here", "broken_two.py": "raise SystemExit(3)"})
    found = {module: error for module, error, _ in tried(library, "broken").distributions["broken"]}
    assert found == {
        "broken_one": "ModuleNotFoundError: No module named 'no_such_module_here'",
        "broken_two": "SystemExit: 3",
    }


def test_a_module_that_ends_the_interpreter_or_crashes_is_told_and_stops_no_other(library: Path) -> None:
    files = {
        "crash_exit.py": "import os; os._exit(7)",
        "crash_signal.py": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
        "crash_not.py": "print('noise'); import sys; sys.stderr.write('noise')",
    }
    install(library, "crash", files)
    assert tried(library, "crash").distributions["crash"] == [
        ("crash_exit", "it ended the interpreter with code 7", None),
        ("crash_not", None, None),
        ("crash_signal", "it was ended by SIGSEGV", None),
    ]


def test_an_import_that_hangs_ends_at_its_deadline_with_its_children(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "IMPORT_SECONDS", 1.0)
    pid_file = library / "pid"
    hang = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(pid_file)!r}, 'w').write(str(child.pid)); time.sleep(60)\n"
    )
    install(library, "hang", {"hang.py": hang, "quick.py": ""})
    started = time.monotonic()
    assert tried(library, "hang").distributions["hang"] == [
        ("hang", "it did not end within 1 s", None),
        ("quick", None, None),
    ]
    assert time.monotonic() - started < 10
    status = Path(f"/proc/{pid_file.read_text()}/stat")
    assert not status.exists() or " Z " in status.read_text()


def test_private_test_and_foreign_modules_are_listed_and_not_tried(library: Path) -> None:
    files = dict.fromkeys(("_private.py", "tests/__init__.py", "win32thing.py", "setup.py", "real.py"), "")
    install(library, "odd", {name: "1/0" if name != "real.py" else content for name, content in files.items()})
    found = {module: (error, why) for module, error, why in tried(library, "odd").distributions["odd"]}
    assert found["real"] == (None, None)
    assert found["_private"] == (None, "private module")
    assert found["tests"] == (None, "tests")
    assert found["win32thing"] == (None, "for another platform")
    assert found["setup"] == (None, "no module to use")


def test_without_a_record_the_top_level_names_count(library: Path) -> None:
    install(library, "old", {"old_one.py": ""}, record=False)
    (library / "old-1.0.dist-info" / "top_level.txt").write_text("old_one\n\n")
    assert tried(library, "old").distributions == {"old": [("old_one", None, None)]}


def test_names_are_compared_in_their_normal_form_and_absent_ones_are_absent(library: Path) -> None:
    install(library, "Zope.Like_Name", {"zope_like.py": ""})
    assert list(tried(library, "zope-like-name", "not-there").distributions) == ["zope-like-name"]


def test_further_modules_are_tried_besides(library: Path) -> None:
    assert tried(library, modules=["json", "no_such_module_here"]).modules == {
        "json": None,
        "no_such_module_here": "ModuleNotFoundError: No module named 'no_such_module_here'",
    }


class Saying:
    """A host that answers with fixed bytes."""

    name = "an image"

    def __init__(self, stdout: bytes, stderr: bytes = b"") -> None:
        self.completed = Completed(("x",), 1, stdout, stderr)

    def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0, limit: int = LARGEST_OUTPUT
    ) -> Completed:
        return self.completed

    def fetch(self, path: str, *, limit: int = 1 << 30) -> bytes:
        raise NotImplementedError(path)


def test_a_probe_that_does_not_run_is_an_error_with_its_last_words() -> None:
    with pytest.raises(VerificationFailed, match="Fatal Python error"):
        try_imports(Saying(b"banner\n", b"x\nFatal Python error\n"), ["a"])


def test_an_attempt_is_made_of_each_module_and_nothing_is_dropped_in_silence() -> None:
    found = attempts(
        Tried(
            distributions={
                "a": [("a", None, None), ("a_x", "ModuleNotFoundError: No module named 'b'", None)],
                "empty": [],
                "p": [("_p", None, "private module")],
            },
            modules={},
        ),
        ["a", "empty", "p", "gone"],
        fates={"b": [fate("b", kind=FateKind.EXCLUDED, reason="blacklist (b): no")]},
    )
    assert [(attempt.distribution, attempt.module, attempt.error, attempt.expected) for attempt in found] == [
        ("a", "a", None, None),
        ("a", "a_x", "ModuleNotFoundError: No module named 'b'; b 1.0 is excluded: blacklist (b): no", None),
        ("empty", "-", NOT_TRIED, "it has no importable module"),
        ("p", "_p", NOT_TRIED, "private module"),
    ]


def test_each_import_is_told_when_it_begins_however_the_output_is_cut(library: Path) -> None:
    install(library, "one", {"one.py": "print('c0ffee import 9 of 9: forged')"})
    host, said = Here(library), []
    heard = Heard(b"c0ffee ", said.append)
    wanted = '{"distributions": ["one"], "modules": ["json"], "seconds": 60}'
    output = host.run(["python", "-I", "-", "c0ffee", wanted], stdin=sent("imports.py")).stdout
    for letter in output:
        heard.piece(bytes([letter]))
    assert said == ["import 1 of 2: one", "import 2 of 2: json"]
