"""Programs sent to a host: which Python runs them, and how their answer is told from noise."""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from dbmirror.hosts.interface import Completed
from dbmirror.hosts.local import LocalHost
from dbmirror.inventory.collect import collect
from dbmirror.inventory.errors import InventoryError, NoPythonFound, PayloadDamaged, ScriptFailed
from dbmirror.inventory.framing import unframe
from dbmirror.inventory.sent_programs import bundle
from dbmirror.processes.programs import LARGEST_OUTPUT

SENT_BY_HOSTS = Path(__file__).parents[2] / "dbmirror" / "hosts" / "sent"
SENT = Path(__file__).parents[2] / "dbmirror" / "inventory" / "sent"


class NoisyHost:
    """This machine behind login scripts that write before and after every command's output."""

    name = "noisy host"

    def __init__(self, before: bytes = b"", after: bytes = b"", path: str | None = None) -> None:
        self.before, self.after, self.path = before, after, path

    def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0, limit: int = LARGEST_OUTPUT
    ) -> Completed:
        prefix = [] if self.path is None else ["env", f"PATH={self.path}"]
        done = LocalHost().run([*prefix, *argv], stdin=stdin, timeout=timeout)
        return Completed(done.argv, done.code, self.before + done.stdout + self.after, done.stderr)

    def fetch(self, path: str, *, limit: int = 1 << 30) -> bytes:
        return LocalHost().fetch(path, limit=limit)


class CuttingHost(NoisyHost):
    """A host whose output goes through `change` on its way."""

    def __init__(self, change: object) -> None:
        super().__init__()
        self.change = change

    def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0, limit: int = LARGEST_OUTPUT
    ) -> Completed:
        done = super().run(argv, stdin=stdin, timeout=timeout)
        return Completed(done.argv, done.code, self.change(done.stdout), done.stderr)  # type: ignore[operator]


def script(path: Path, body: str) -> str:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("noise", [b"Welcome!\n", b"no new line", b"\x00\xff\x1b[2J", b"\ndbmirror-begin 00\n"])
def test_banners_and_noise_on_stdout_do_no_harm(noise: bytes) -> None:
    quiet = collect(LocalHost(), interpreter=sys.executable)

    assert collect(NoisyHost(before=noise, after=noise), interpreter=sys.executable) == quiet


@pytest.mark.parametrize(
    "change",
    [
        lambda output: output[: len(output) // 2],
        lambda output: output[:-20],
        lambda output: output.replace(b"\n", b"\r\n"),
        lambda output: output[:200] + b"noise" + output[200:],
        lambda output: output[:200] + b"\x00" + output[201:],
        lambda _: b"",
    ],
)
def test_a_damaged_answer_is_an_error(change: object) -> None:
    with pytest.raises(PayloadDamaged):
        collect(CuttingHost(change), interpreter=sys.executable)


def test_a_frame_of_another_nonce_is_not_taken() -> None:
    payload = b"forged"
    frame = b"\ndbmirror-begin %s\n00000006\nforged00000000\n%s dbmirror-end %s\n"
    digest = hashlib.sha256(payload).hexdigest().encode()

    assert unframe(frame % (b"good", digest, b"good"), "good", host="x") == payload
    with pytest.raises(PayloadDamaged):
        unframe(frame % (b"other", digest, b"other"), "good", host="x")


def test_without_any_python_the_error_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbmirror.inventory.sent_programs.CANDIDATES", ("/no/python3", "python3", "python"))
    for tool in ("sh", "env"):
        (tmp_path / tool).symlink_to(f"/bin/{tool}")

    with pytest.raises(NoPythonFound, match=r"A Python of 3\.8 or later was not found on noisy host"):
        collect(NoisyHost(path=str(tmp_path)))
    with pytest.raises(NoPythonFound, match=r"/no/python .* was not found"):
        collect(LocalHost(), interpreter="/no/python")


def test_an_old_python_is_named_and_refused(tmp_path: Path) -> None:
    old = script(tmp_path / "python3", "exit 45")

    with pytest.raises(NoPythonFound, match=f"only Pythons before 3\\.8 \\({old}\\)"):
        collect(LocalHost(), interpreter=old)


def test_a_python_that_does_not_start_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = script(tmp_path / "broken", "exit 1")
    old = script(tmp_path / "old", "exit 45")
    monkeypatch.setattr("dbmirror.inventory.sent_programs.CANDIDATES", ("/nowhere/python", broken, old, sys.executable))

    assert collect(LocalHost()).python.path == sys.executable


def test_a_program_that_fails_shows_its_last_words(tmp_path: Path) -> None:
    failing = script(
        tmp_path / "python3",
        f"case $5 in '') exec {sys.executable} \"$@\";; esac\necho 'MemoryError: \033[31m' >&2; exit 1",
    )

    with pytest.raises(ScriptFailed, match=r"exit status 1: MemoryError: \\x1b\[31m"):
        collect(LocalHost(), interpreter=failing)


def test_an_interpreters_name_is_never_read_by_a_shell(tmp_path: Path) -> None:
    witness = tmp_path / "witness"

    with pytest.raises(InventoryError):
        collect(LocalHost(), interpreter=f"$(touch {witness})")
    assert not witness.exists()


@pytest.mark.parametrize("path", sorted([*SENT.glob("*.py"), *SENT_BY_HOSTS.glob("*.py")]), ids=lambda path: path.name)
def test_a_sent_module_is_python_3_8_and_imports_only_the_standard_library_and_its_like(path: Path) -> None:
    module = ast.parse(path.read_text(), feature_version=(3, 8))

    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom):
            name = node.module or ""
            sent = name.startswith(("dbmirror.inventory.sent.", "dbmirror.hosts.sent."))
            assert sent or name.split(".")[0] in sys.stdlib_module_names
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= sys.stdlib_module_names


@pytest.mark.parametrize("program", ["collector", "capturer"])
def test_a_bundle_needs_nothing_of_this_package(program: str) -> None:
    source = bundle(program).decode()

    compile(source, "bundle", "exec")
    assert source.count("sys.modules['dbmirror.inventory.sent.frame']") == 1
    # One after another: what a module imports stands before it.
    assert source.index("'dbmirror.inventory.sent.files'") < source.index(f"'dbmirror.inventory.sent.{program}'")
