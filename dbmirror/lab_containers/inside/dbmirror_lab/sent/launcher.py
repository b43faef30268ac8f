"""The program that the driver's Python gets on stdin: starts a notebook's kernel, looks after it, clears up behind it.

It reads one line of JSON, the order to start, makes a private folder, answers with one line that begins with the
order's nonce, and leaves a process of its own behind that talks over the Unix socket `link` in that folder. When no one
has talked to it for the grace period, or when it is told to (by an order, or by that socket's new name `end`), it ends
the kernel with all that the kernel started, removes the folder, and is gone. Nothing is written anywhere else, and
nothing is installed.
"""

# ruff: noqa: PTH102, PTH111, PTH112, PTH117, PTH118, PTH123, PTH208
# Paths are strings here: importing pathlib would take a good part of the time until the kernel starts.

from __future__ import annotations

import base64
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

from dbmirror_lab.sent.link import Link, Mismatch, serve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PYTHONS = ("/databricks/python3/bin/python", "/databricks/python/bin/python")
WORKING_FOLDER = "/databricks/driver"
"""Where Databricks' own notebooks begin."""
_LONGEST_FOLDER = 60
_SAID_BYTES = 8192
_FIRST_CONTACT = 30.0
_FLUSH_SECONDS = 2.0
_SET_DEATH_SIGNAL, _SET_SUBREAPER = 1, 36


def main() -> None:
    """Start, answer, and leave the keeper behind."""
    order = json.loads(sys.stdin.buffer.readline())
    folder = private_folder(order["name"])
    try:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(os.path.join(folder, "link"))
        listener.listen(4)
        for name, content in order["files"].items():
            write(os.path.join(folder, name), base64.b64decode(content))
        connection = dict(order["connection"], transport="ipc", ip=os.path.join(folder, "s"))
        write(os.path.join(folder, "connection.json"), json.dumps(connection).encode("ascii"))
        if os.fork() == 0:
            become_keeper()
            Keeper(folder, listener, order).keep()
            os._exit(0)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    print(order["nonce"] + json.dumps({"folder": folder}), flush=True)
    os._exit(0)


def private_folder(name: str) -> str:
    """A new folder that only this user can enter, short enough for the path of a Unix socket (107 bytes).

    It is in $TMPDIR or in /tmp: who has nothing but the kernel's name finds it there.
    """
    parent = os.environ.get("TMPDIR", "")
    usable = os.path.isabs(parent) and len(parent) < _LONGEST_FOLDER and os.access(parent, os.W_OK | os.X_OK)
    folder = os.path.join(parent if usable else "/tmp", "dbmirror-kernel-" + name)  # noqa: S108
    os.mkdir(folder, 0o700)
    return folder


def remove_folder(folder: str) -> None:
    """Remove a folder in which somebody else may rename a file meanwhile."""
    for _ in range(10):
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.lexists(folder):
            return


def write(path: str, content: bytes) -> None:
    """Write a file that only its owner can read."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def become_keeper() -> None:
    """Leave the SSH session: it ends when nothing holds its streams."""
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(null, stream)
    os.close(null)


class Keeper:
    """The process that stays: it has the kernel as its child and the link to the lab."""

    def __init__(self, folder: str, listener: socket.socket, order: dict[str, Any]) -> None:
        self.folder = folder
        self.listener = listener
        self.order = order
        self.grace = float(order["grace"])
        self.selector = selectors.DefaultSelector()
        self.link = Link(self.selector, on_order=self.obey, on_open=self.connect)
        self.kernel = 0
        """The kernel's process id; 0 when there is none any more."""
        self.output: Any = None
        """The kernel's own stdout and stderr, until it is closed."""
        self.said = b""
        """The last of what the kernel wrote to its own stdout and stderr."""
        self.ended = False
        self.deadline = time.monotonic() + min(_FIRST_CONTACT, self.grace)

    def keep(self) -> None:
        """Run until told to end, or until no one has been there for the grace period."""
        try:
            wake, woken = socket.socketpair()
            for end in (wake, woken):
                end.setblocking(False)
            signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
            signal.signal(signal.SIGCHLD, lambda *_: None)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, self.end)
            self.selector.register(woken, selectors.EVENT_READ, lambda _: woken.recv(64))
            self.selector.register(self.listener, selectors.EVENT_READ, self.accept)
            control_process(_SET_SUBREAPER, 1)
            self.start()
            while not (self.ended or self.is_given_up()) and time.monotonic() < self.deadline:
                self.turn(0.5)
            self.finish()
        finally:
            end_descendants()
            remove_folder(self.folder)

    def is_given_up(self) -> bool:
        """Whether somebody in the lab's place has said that nobody will come back."""
        return os.path.lexists(os.path.join(self.folder, "end"))

    def turn(self, timeout: float) -> None:
        """Serve what is ready, and reap who has ended."""
        try:
            serve(self.selector, timeout)
        except Mismatch:
            self.link.detach()
        self.link.tick()
        if self.link.greeted:
            self.deadline = time.monotonic() + self.grace
        self.reap()

    def start(self) -> None:
        """Start the kernel; a start that fails is reported like any other end."""
        python = next((path for path in PYTHONS if os.access(path, os.X_OK)), sys.executable)
        own = {
            name: os.path.join(self.folder, path)
            for name, path in (
                ("IPYTHONDIR", "ipython"),
                ("JUPYTER_CONFIG_DIR", "jupyter"),
                ("JUPYTER_DATA_DIR", "jupyter"),
                ("JUPYTER_RUNTIME_DIR", "jupyter"),
                ("MPLCONFIGDIR", "matplotlib"),
            )
        }
        # A notebook is no SSH session: bash reads /etc/bash.bashrc where it believes that it is in one.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SSH_")}
        environment = dict(inherited, PYTHONDONTWRITEBYTECODE="1", **own, **self.order["environment"])
        command = [
            python,
            os.path.join(self.folder, "start_kernel.py"),
            "-f",
            os.path.join(self.folder, "connection.json"),
        ]
        home = WORKING_FOLDER if os.access(WORKING_FOLDER, os.X_OK) else os.path.expanduser("~")
        process = subprocess.Popen(
            command,
            cwd=home if os.path.isdir(home) else "/",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: control_process(_SET_DEATH_SIGNAL, signal.SIGKILL),  # noqa: PLW1509  there is one thread
        )
        self.kernel = process.pid
        process.returncode = 0  # the keeper reaps it; Popen must not wait for a number that is another's by then
        self.output = process.stdout
        os.set_blocking(self.output.fileno(), False)
        self.selector.register(self.output, selectors.EVENT_READ, lambda _: self.hear())
        self.link.order({"event": "started", "pid": process.pid})

    def hear(self) -> bool:
        """Keep the last of what the kernel writes past its messages; whether it wrote any."""
        if self.output is None:
            return False
        read = self.output.read(65536)
        self.said = (self.said + (read or b""))[-_SAID_BYTES:]
        if read == b"":
            self.selector.unregister(self.output)
            self.output.close()
            self.output = None
        return bool(read)

    def accept(self, _: int) -> None:
        """Take the lab's new connection in place of the old one."""
        self.link.attach(self.listener.accept()[0])

    def connect(self, number: int, port: int) -> None:
        """Join a new channel with the kernel's socket; one that is not there is refused, and ZeroMQ tries again."""
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(os.path.join(self.folder, f"s-{port}"))
        except OSError:
            connection.close()
            self.link.adopt(number, None)
        else:
            self.link.adopt(number, connection)

    def obey(self, order: dict[str, Any]) -> None:
        """Do what the lab asks for."""
        if order["order"] == "signal" and self.kernel:
            with suppress(OSError):
                os.killpg(self.kernel, int(order["number"]))
        elif order["order"] == "end":
            self.end()

    def end(self, *_: object) -> None:
        """Leave the loop at its next turn."""
        self.ended = True

    def reap(self) -> None:
        """Take note of every child that has ended; report the kernel's end to the lab."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.kernel:
                self.kernel = 0
                # Its last words may be in the pipe still; what it started may go on writing there.
                for _ in range(16):
                    if not self.hear():
                        break
                code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
                said = self.said.decode("utf-8", "replace")
                self.link.order({"event": "ended", "code": code, "said": said})

    def finish(self) -> None:
        """End the kernel, and say so to the lab if it listens."""
        end_descendants(self.reap)
        self.link.order({"event": "gone"})
        end = time.monotonic() + _FLUSH_SECONDS
        while self.link.connected and not self.link.idle and time.monotonic() < end:
            self.turn(0.05)
        self.link.close()


def control_process(option: int, value: int) -> None:
    """`prctl`, which the standard library lacks; a system without it does without what it is for."""
    try:
        import ctypes  # noqa: PLC0415

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        pass


def end_descendants(reap: Any = None) -> None:
    """Kill every child, and the children that come to this process when their parent goes, until there is none."""
    for _ in range(100):
        found = children()
        if not found:
            return
        for pid in found:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if reap is not None:
            reap()
        else:
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                pass
        time.sleep(0.02)


def children() -> list[int]:
    """The process ids of this process's children, as /proc has them."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == os.getpid():
                found.append(int(name))
    return found


if __name__ == "__main__":
    main()
