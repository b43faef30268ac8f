"""A kernel on the driver seen from the lab: starts it, and keeps the link to its keeper through every interruption."""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import secrets
import selectors
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from dbmirror_lab.bundle import launcher, shim_files
from dbmirror_lab.control import ControlSocket, DriverError
from dbmirror_lab.lease import Lease
from dbmirror_lab.sent.link import Link, Mismatch, serve

PORTS: Final = (1, 2, 3, 4, 5)
"""The numbers at the end of the kernel's five sockets, here and on the driver."""
LOST: Final = -1000
"""The exit code of a kernel that is gone and cannot be asked."""
CLUSTER_ENDED: Final = frozenset({"cluster-down", "cluster-starting"})
"""What the tunnel says where the driver that a kernel ran on is no more; the next one has no such kernel."""
_START_SECONDS: Final = 30.0
_GREETING_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 1.0
_PYTHONS: Final = "/databricks/python3/bin/python /databricks/python/bin/python python3 /usr/bin/python3"
_PICK: Final = (
    f"for python in {_PYTHONS}; do "
    'if command -v "$python" >/dev/null 2>&1; then exec "$python" -I -S -B -c "$1"; fi; done; '
    "echo 'there is no Python 3' >&2; exit 44"
)
_BOOT: Final = "import sys; b = sys.stdin.buffer; exec(compile(b.read(int(b.readline())), 'launcher', 'exec'))"


class DriverKernel:
    """A kernel on the driver, with its sockets as Unix sockets here: `PREFIX-1` to `PREFIX-5`.

    A thread of its own carries the bytes, so that it goes on whatever its user's event loop does.
    """

    def __init__(self, *, control: ControlSocket, prefix: Path, grace: float, log: logging.Logger) -> None:
        """`grace` is how many seconds the kernel outlives the connection, as long as this process lives."""
        self._control = control
        self._prefix = prefix
        self._grace = grace
        self._log = log
        self._selector = selectors.DefaultSelector()
        self._link = Link(self._selector, on_order=self._hear)
        self._orders: deque[dict[str, Any]] = deque()
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="driver-kernel", daemon=True)
        self._closing = threading.Event()
        self._gone = threading.Event()
        self._channel = 0
        self._attempt = 0
        self._local = Path()
        self._remote = ""
        self._lease: Lease | None = None
        self._code: int | None = None
        self.said = ""
        """The last of what the kernel wrote to its own stdout and stderr before it ended."""

    def start(self, connection: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        """Start the kernel and return when its keeper has answered, usually before the kernel itself does.

        `connection` is the content of Jupyter's connection file without transport and ip. Raises DriverError.
        """
        listeners = self._listen()
        try:
            self._lease = Lease(self._control.folder)
            self._remote = self._launch(self._lease, connection, environment)
            self._attach(time.monotonic() + _START_SECONDS)
        except BaseException:
            self._link.detach()
            for listener, _ in listeners:
                listener.close()
            self._remove_sockets()
            if self._lease is not None:
                self._lease.leave()
            raise
        for listener, port in listeners:
            self._selector.register(listener, selectors.EVENT_READ, self._accepting(listener, port))
        self._woken.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ, lambda _: self._woken.recv(64))
        self._thread.start()

    def poll(self) -> int | None:
        """None while the kernel runs, as far as is known; else its exit status, minus a signal's number, or LOST."""
        return self._code

    def signal(self, number: int) -> None:
        """Send a signal to the kernel and what it started in its own process group."""
        self._order({"order": "signal", "number": number})

    def close(self, timeout: float = 3.0) -> None:
        """End the kernel, wait at most `timeout` seconds to hear that nothing is left of it, and free what is here.

        Where the driver cannot be told, the tunnel tells it as soon as it can; without one, the kernel's keeper ends it
        after the grace period.
        """
        self._order({"order": "end"})
        if self._link.connected and self._thread.is_alive():
            self._gone.wait(timeout)
        self._closing.set()
        self._nudge()
        if self._thread.is_alive():
            self._thread.join(timeout)
        if self._code is None:
            self._code = LOST

    # ---- the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        lost_at: float | None = None
        try:
            while not (self._closing.is_set() or self._gone.is_set()):
                self._turn(0.5)
                if self._link.connected:
                    lost_at = None
                    continue
                if self._code is not None:
                    break
                if lost_at is None:
                    lost_at = time.monotonic()
                    self._log.warning("The connection to the kernel on the driver is lost; it is being made anew.")
                if self._try_again():
                    self._log.warning("The connection to the kernel on the driver is back.")
                elif self._code is None and time.monotonic() - lost_at > self._grace:
                    self._log.error("The driver was out of reach for longer than a kernel waits there: it has ended.")
                    self._code = LOST
        except Mismatch:
            self._log.exception("Another program answers in place of the kernel's keeper.")
        finally:
            if self._code is None:
                self._code = LOST
            self._clear()

    def _turn(self, timeout: float) -> None:
        serve(self._selector, timeout)
        while self._orders:
            self._link.order(self._orders.popleft())
        self._link.tick()

    def _try_again(self) -> bool:
        """One attempt to have the link back; on failure a pause, or the kernel's end where its keeper is gone."""
        try:
            self._attach(time.monotonic() + _GREETING_SECONDS)
        except DriverError:
            if self._control.state() in CLUSTER_ENDED:
                self._log.error("The cluster has ended, and with it the kernel on its driver.")
                self._code = LOST
            elif self._keeper_is_gone():
                self._log.error("The kernel's keeper on the driver is gone: the driver restarted, or ended it.")
                self._code = LOST
            else:
                self._closing.wait(_PAUSE_SECONDS)
            return False
        return True

    def _keeper_is_gone(self) -> bool:
        """Whether the driver can be asked and says so."""
        return self._control.run(["test", "-S", self._remote], timeout=5).returncode == 1

    def _attach(self, deadline: float) -> None:
        """Forward a fresh local socket to the keeper's, and have its greeting. Raises DriverError."""
        if self._attempt:
            self._control.cancel(self._local, self._remote)
        self._attempt += 1
        # Always a new name: a master that still has the old forward says yes to the same one and listens nowhere.
        self._local = self._control.folder / f"k-{os.getpid()}-{secrets.token_hex(6)}"
        self._control.forward(self._local, self._remote)
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(os.fspath(self._local))
        except OSError as error:
            connection.close()
            raise DriverError(
                f"The tunnel listens at {self._local}, which is not to be reached from here ({error.strerror}): "
                "lab and tunnel have to share that folder."
            ) from error
        self._link.attach(connection)
        while not self._link.greeted:
            if self._link.connected and time.monotonic() < deadline:
                self._turn(0.1)
                continue
            self._link.detach()
            raise DriverError(
                "The driver's SSH server did not forward the kernel's Unix socket. "
                "It needs 'AllowStreamLocalForwarding yes', which is OpenSSH's default."
            )

    def _launch(self, lease: Lease, connection: Mapping[str, Any], environment: Mapping[str, str]) -> str:
        """Send the launcher with its order; the path of the keeper's socket on the driver."""
        nonce = secrets.token_hex(16)
        files = {name: base64.b64encode(content).decode() for name, content in shim_files().items()}
        order = {
            "nonce": nonce,
            "name": lease.name,
            "connection": dict(connection),
            "environment": dict(environment),
            "files": files,
            "grace": self._grace,
        }
        program = launcher()
        stdin = b"%d\n%b%b\n" % (len(program), program, json.dumps(order).encode())
        completed = self._control.run(["sh", "-c", _PICK, "dbmirror", _BOOT], stdin=stdin, timeout=_START_SECONDS)
        match = re.search(nonce.encode() + rb"(\{.*\})\s*$", completed.stdout, re.MULTILINE)
        if match:
            return f"{_folder(match[1], lease.name)}/link"
        if completed.returncode == 255:
            raise self._control.failure(completed)
        if completed.returncode != 0:
            lease.end()
        raise _not_started(completed)

    def _listen(self) -> list[tuple[socket.socket, int]]:
        listeners = []
        for port in PORTS:
            path = f"{self._prefix}-{port}"
            Path(path).unlink(missing_ok=True)
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(path)
            listener.listen(16)
            listener.setblocking(False)
            listeners.append((listener, port))
        return listeners

    def _accepting(self, listener: socket.socket, port: int) -> Any:
        def accept(_: int) -> None:
            with suppress(OSError):
                connection, _address = listener.accept()
                self._channel += 1
                self._link.open(self._channel, port, connection)

        return accept

    def _hear(self, event: dict[str, Any]) -> None:
        """Take note of what the keeper tells, and let it go when the kernel has ended."""
        if event["event"] == "ended":
            self.said = str(event["said"])
            self._code = int(event["code"])
            self._orders.append({"order": "end"})
        elif event["event"] == "gone":
            self._gone.set()

    def _order(self, order: dict[str, Any]) -> None:
        self._orders.append(order)
        self._nudge()

    def _nudge(self) -> None:
        with suppress(OSError):
            self._wake.send(b"x")

    def _clear(self) -> None:
        """Close all that the thread has open."""
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket) and key.fileobj is not self._woken:
                with suppress(OSError, KeyError):
                    self._selector.unregister(key.fileobj)
                    key.fileobj.close()
        self._remove_sockets()
        if self._lease is not None:
            self._lease.end() if self._gone.is_set() else self._lease.leave()
        self._wake.close()
        self._woken.close()
        self._selector.close()

    def _remove_sockets(self) -> None:
        if self._attempt:
            with suppress(DriverError, OSError):
                self._control.cancel(self._local, self._remote)
        for port in PORTS:
            Path(f"{self._prefix}-{port}").unlink(missing_ok=True)


def _folder(answer: bytes, name: str) -> str:
    """The folder of the kernel `name` in the launcher's answer. Raises DriverError where it says no such folder."""
    try:
        content = json.loads(answer)
    except (ValueError, RecursionError):
        content = None
    folder = content.get("folder") if isinstance(content, dict) else None
    # A colon or a control character would end the path early where ssh reads it as one half of a forward.
    if isinstance(folder, str) and re.fullmatch(rf"(/[^:\0-\x1f\x7f]*)?/dbmirror-kernel-{name}", folder):
        return folder
    said = "".join(c for c in answer.decode(errors="replace") if c.isprintable())[:300]
    raise DriverError(f"The driver's answer does not say where the kernel's folder is: {said}")


def _not_started(completed: subprocess.CompletedProcess[bytes]) -> DriverError:
    lines = [line for line in completed.stderr.decode(errors="replace").splitlines() if line.strip()]
    said = "".join(c for c in lines[-1].strip() if c.isprintable())[:300] if lines else "it said nothing"
    return DriverError(f"The kernel could not be started on the driver (exit status {completed.returncode}): {said}.")
