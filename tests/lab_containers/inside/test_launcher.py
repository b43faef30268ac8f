"""The launcher, on this machine in place of the driver, with a real kernel."""

from __future__ import annotations

import ast
import base64
import json
import os
import secrets
import selectors
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from dbmirror_lab.bundle import launcher, shim_files
from dbmirror_lab.driver_kernel import _BOOT
from dbmirror_lab.sent.link import Link, serve

KEY = "a-key-that-must-stay-unseen-0123456789"
PORTS = {f"{name}_port": number for number, name in enumerate(("shell", "iopub", "stdin", "hb", "control"), start=1)}


def processes(text: str) -> list[int]:
    """The processes on whose command line or in whose environment `text` stands."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                if text.encode() in (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes():
                    found.append(int(entry.name))
    return found


class Started:
    """A kernel that the launcher started, with the lab's end of its link."""

    def __init__(self, temporary: Path, *, grace: float, environment: dict[str, str] | None = None) -> None:
        files = {name: base64.b64encode(content).decode() for name, content in shim_files().items()}
        self.name = secrets.token_hex(8)
        order = {
            "nonce": "n0nce",
            "name": self.name,
            "connection": {**PORTS, "key": KEY, "signature_scheme": "hmac-sha256"},
            "environment": {"DBMIRROR_SIDE": "driver", **(environment or {})},
            "files": files,
            "grace": grace,
        }
        program = launcher()
        stdin = b"%d\n%b%b\n" % (len(program), program, json.dumps(order).encode())
        environ = {**os.environ, "TMPDIR": str(temporary), "HOME": str(temporary / "home")}
        (temporary / "home").mkdir(exist_ok=True)
        self.completed = subprocess.run(
            [sys.executable, "-I", "-S", "-B", "-c", _BOOT],
            input=stdin,
            env=environ,
            capture_output=True,
            timeout=30,
            check=True,
        )
        answer = self.completed.stdout.decode().partition("n0nce")[2]
        self.folder = Path(json.loads(answer)["folder"])
        self.events: list[dict[str, Any]] = []
        self.selector = selectors.DefaultSelector()
        self.link = Link(self.selector, on_order=self.events.append)

    def attach(self) -> None:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(self.folder / "link"))
        self.link.attach(connection)

    def until(self, condition: Callable[[], object], seconds: float = 20.0) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return
            serve(self.selector, 0.02)
            self.link.tick()
        raise AssertionError(f"it did not come to that: {self.events}")

    def has(self, event: str) -> bool:
        return any(found["event"] == event for found in self.events)

    @property
    def kernel(self) -> int:
        return int(next(event["pid"] for event in self.events if event["event"] == "started"))


@pytest.fixture
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # A Unix socket's path has to be short.
    return tmp_path_factory.mktemp("d")


@pytest.fixture
def started(temporary: Path) -> Iterator[Started]:
    kernel = Started(temporary, grace=20)
    kernel.attach()
    kernel.until(lambda: kernel.has("started"))
    yield kernel
    kernel.link.order({"order": "end"})
    with suppress(AssertionError):
        kernel.until(lambda: not kernel.folder.exists(), 5)


def test_the_launcher_imports_nothing_but_the_standard_library_of_python_3_8() -> None:
    tree = ast.parse(launcher())
    sources = [
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "compile"
        and isinstance(node.args[0], ast.Constant)
    ]
    assert len(sources) == 2
    names = set()
    for source in sources:
        for node in ast.walk(ast.parse(source, feature_version=(3, 8))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add((node.module or "").partition(".")[0])
    assert names - sys.stdlib_module_names == {"dbmirror_lab"}


def test_the_folder_is_the_users_own_and_so_is_every_file_in_it(started: Started) -> None:
    assert stat.S_IMODE(started.folder.stat().st_mode) == 0o700
    for name in ("connection.json", "shim.zip", "start_kernel.py"):
        assert stat.S_IMODE((started.folder / name).stat().st_mode) == 0o600


def test_the_folder_has_the_name_that_the_lab_gave_so_that_the_name_alone_finds_it(
    started: Started, temporary: Path
) -> None:
    assert started.folder == temporary / f"dbmirror-kernel-{started.name}"


@pytest.mark.parametrize("unusable", ["relative", "/nowhere", "/" + "long/" * 20])
def test_the_folder_is_in_tmp_where_the_users_own_temporary_folder_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, unusable: str
) -> None:
    from dbmirror_lab.sent.launcher import private_folder

    monkeypatch.setenv("TMPDIR", unusable)
    name = secrets.token_hex(8)
    folder = Path(private_folder(name))
    folder.rmdir()
    assert folder == Path("/tmp") / f"dbmirror-kernel-{name}"


def test_a_folder_that_is_there_already_is_not_taken(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dbmirror_lab.sent.launcher import private_folder

    monkeypatch.setenv("TMPDIR", str(temporary))
    private_folder("0123456789abcdef")
    with pytest.raises(FileExistsError):
        private_folder("0123456789abcdef")


def test_the_kernels_key_is_on_no_command_line_and_in_no_environment(started: Started) -> None:
    started.until((started.folder / "s-1").exists)
    assert KEY in (started.folder / "connection.json").read_text()
    assert processes(KEY) == []


def test_the_kernel_listens_on_unix_sockets_only(started: Started) -> None:
    started.until(lambda: all((started.folder / f"s-{port}").exists() for port in PORTS.values()))
    inodes = {
        str(entry.readlink())
        for pid in processes(str(started.folder))
        for entry in Path(f"/proc/{pid}/fd").iterdir()
        if entry.is_symlink() and os.path.lexists(entry)
    }
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    assert not [line for line in listening if line[3] == "0A" and f"socket:[{line[9]}]" in inodes]


def test_what_a_forked_process_prints_reaches_the_notebook(started: Started) -> None:
    from jupyter_client import BlockingKernelClient

    started.until(lambda: all((started.folder / f"s-{port}").exists() for port in PORTS.values()))
    client = BlockingKernelClient()
    client.load_connection_file(str(started.folder / "connection.json"))
    client.start_channels()
    heard: list[str] = []
    code = (
        "import multiprocessing, sys\n"
        "def speak(): print('from the child'); sys.stdout.flush()\n"
        "child = multiprocessing.get_context('fork').Process(target=speak); child.start(); child.join()\n"
        "import time; time.sleep(0.5)"
    )
    client.execute_interactive(
        code, timeout=30, output_hook=lambda message: heard.append(message["content"].get("text", ""))
    )
    client.stop_channels()
    assert "from the child" in "".join(heard)


def test_an_end_that_is_ordered_leaves_no_process_and_no_file(started: Started, temporary: Path) -> None:
    started.until((started.folder / "s-1").exists)
    assert processes(str(started.folder))
    started.link.order({"order": "end"})
    started.until(lambda: started.has("gone"))
    started.until(lambda: not started.folder.exists())
    started.until(lambda: processes(str(started.folder)) == [])
    assert [path.name for path in temporary.iterdir()] == ["home"]
    assert list((temporary / "home").iterdir()) == []


def test_a_new_name_of_its_socket_ends_it_too_whoever_is_connected(started: Started, temporary: Path) -> None:
    started.until((started.folder / "s-1").exists)
    (started.folder / "link").rename(started.folder / "end")
    started.until(lambda: not started.folder.exists())
    started.until(lambda: processes(str(started.folder)) == [])
    assert [path.name for path in temporary.iterdir()] == ["home"]


def test_a_socket_that_somebody_removed_does_not_end_the_kernel(started: Started) -> None:
    (started.folder / "link").unlink()
    with pytest.raises(AssertionError):
        started.until(lambda: not started.link.connected, 2)
    os.kill(started.kernel, 0)


def test_a_folder_that_somebody_cleared_does_not_end_the_kernel(started: Started) -> None:
    """As `rm -rf /tmp/*` does: what runs goes on, for as long as the connection stands, and can be ended as ever."""
    from jupyter_client import BlockingKernelClient

    started.until(lambda: all((started.folder / f"s-{port}").exists() for port in PORTS.values()))
    client = BlockingKernelClient()
    client.load_connection_file(str(started.folder / "connection.json"))
    client.start_channels()
    client.wait_for_ready(timeout=30)
    kernel = started.kernel
    shutil.rmtree(started.folder)
    with pytest.raises(AssertionError):
        started.until(lambda: not started.link.connected, 2)
    heard: list[str] = []
    reply = client.execute_interactive(
        'print(f"answer: {6 * 7}")',
        timeout=30,
        output_hook=lambda message: heard.append(message["content"].get("text", "")),
    )
    client.stop_channels()
    assert reply["content"]["status"] == "ok"
    assert "answer: 42" in "".join(heard), "around it IPython may say that its history's file is gone"
    os.kill(kernel, 0)
    started.link.order({"order": "end"})
    started.until(lambda: started.has("gone"))
    started.until(lambda: processes(str(started.folder)) == [])
    assert not started.folder.exists()


def test_a_kernel_that_ends_by_itself_is_reported_with_its_signal(started: Started) -> None:
    started.link.order({"order": "signal", "number": int(signal.SIGKILL)})
    started.until(lambda: started.has("ended"))
    assert next(event["code"] for event in started.events if event["event"] == "ended") == -signal.SIGKILL


def test_a_kernel_that_cannot_start_is_reported_with_what_it_said(temporary: Path) -> None:
    kernel = Started(temporary, grace=20, environment={"PYTHONHOME": "/nowhere"})
    kernel.attach()
    kernel.until(lambda: kernel.has("ended"))
    event = next(event for event in kernel.events if event["event"] == "ended")
    assert event["code"] == 1
    assert "encodings" in event["said"]
    kernel.link.order({"order": "end"})
    kernel.until(lambda: not kernel.folder.exists())


def test_no_one_comes_and_the_kernel_ends_after_the_grace_period(temporary: Path) -> None:
    kernel = Started(temporary, grace=1)
    assert kernel.folder.exists()
    kernel.until(lambda: not kernel.folder.exists())
    kernel.until(lambda: processes(str(kernel.folder)) == [])


def test_a_lab_that_is_gone_for_less_than_the_grace_period_finds_its_kernel(started: Started) -> None:
    pid = started.kernel
    started.link.detach()
    time.sleep(1)
    started.attach()
    started.until(lambda: started.link.greeted)
    os.kill(pid, 0)


def test_what_the_kernel_started_goes_with_it_even_where_it_left_its_process_group(started: Started) -> None:
    """A double fork and a session of its own do not help it: the keeper is its nearest reaper."""
    from jupyter_client import BlockingKernelClient

    started.until(lambda: all((started.folder / f"s-{port}").exists() for port in PORTS.values()))
    client = BlockingKernelClient()
    client.load_connection_file(str(started.folder / "connection.json"))
    client.start_channels()
    code = "import subprocess; subprocess.run(['sh', '-c', 'setsid sleep 301 & exit'], check=True)"
    reply = client.execute_interactive(code, timeout=30, output_hook=lambda _: None)
    client.stop_channels()
    assert reply["content"]["status"] == "ok"
    started.until(lambda: "sleep" in commands(started.folder))
    started.link.order({"order": "end"})
    started.until(lambda: started.has("gone"))
    assert "sleep" not in commands(started.folder)


def commands(folder: Path) -> list[str]:
    """The names of the processes that have `folder` in their environment."""
    names = []
    for pid in processes(str(folder)):
        with suppress(OSError):
            names.append(Path(f"/proc/{pid}/comm").read_text().strip())
    return names


def test_a_keeper_that_is_killed_takes_the_kernel_along(started: Started) -> None:
    kernel = started.kernel
    keeper = int(Path(f"/proc/{kernel}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(keeper, signal.SIGKILL)
    started.until(lambda: not Path(f"/proc/{kernel}").exists() or _is_zombie(kernel))
    assert started.folder.exists(), "only its files remain, in a folder that the system's own clearing takes"
    for path in sorted(started.folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    started.folder.rmdir()


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
