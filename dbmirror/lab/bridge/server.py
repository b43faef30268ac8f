"""The bridge's own life: it listens, lets in who has the token, and ends with its lab."""

from __future__ import annotations

import hmac
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Final

from dbmirror.errors import DbmirrorError
from dbmirror.files import write_atomically
from dbmirror.hosts.ssh_config import find_route
from dbmirror.lab.bridge.files import BridgeFiles, Order, read_order
from dbmirror.lab.bridge.journal import Journal
from dbmirror.lab.bridge.passing import pass_through
from dbmirror.lab_containers.tunnel.settings import HOST

LONELY_SECONDS: Final = 3600.0
"""A bridge that no tunnel spoke to for so long ends: its lab was stopped by other means than `lab down`."""
MOST_CONNECTIONS: Final = 8
"""The tunnel has one, and for a moment a second one."""
_MOST_UNKNOWN: Final = 16
"""Connections at a time that have not shown the token yet."""
_TOKEN_SECONDS: Final = 5.0
_LONGEST_ORDER: Final = 512
_LOOK: Final = 0.5


class Bridge:
    """One lab's bridge."""

    def __init__(self, files: BridgeFiles, order: Order) -> None:
        self._files = files
        self._order = order
        self._journal = Journal(files)
        self._stopped = False
        self._heard = time.monotonic()
        self._unknown = threading.BoundedSemaphore(_MOST_UNKNOWN)
        self._known = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._active: set[threading.Thread] = set()

    def run(self, stopping: Callable[[], bool]) -> None:
        """Serve until `stopping`, until the order goes, or until no tunnel is left. Raises OSError."""
        with self._listen() as listener:
            port = listener.getsockname()[1] if self._order.over_tcp else None
            door = json.dumps({"token": self._order.token, "port": port}).encode()
            self._journal.note("The bridge is there.")
            self._journal.flush()
            # The folder is mounted into the tunnel alone, and nobody else gets past the folder that it lies in.
            write_atomically(self._files.door, door, mode=0o644)
            try:
                while not (stopping() or self._is_over()):
                    self._journal.flush()
                    try:
                        connection, _ = listener.accept()
                    except TimeoutError:
                        continue
                    self._welcome(connection)
            finally:
                self._stopped = True
                for thread in tuple(self._active):
                    thread.join(5.0)
                self._journal.note("The bridge has ended.")
                self._journal.flush()

    def _listen(self) -> socket.socket:
        if self._order.over_tcp:
            listener = socket.create_server(("127.0.0.1", 0))
        else:
            self._files.socket.unlink(missing_ok=True)
            # By its bare name: the address of a Unix socket has room for some hundred characters.
            os.chdir(self._files.folder)
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(self._files.socket.name)
            self._files.socket.chmod(0o666)
            listener.listen()
        listener.settimeout(_LOOK)
        return listener

    def _is_over(self) -> bool:
        if any(thread.is_alive() for thread in tuple(self._active)):
            self._heard = time.monotonic()
        return read_order(self._files) != self._order or time.monotonic() - self._heard > LONELY_SECONDS

    def _welcome(self, connection: socket.socket) -> None:
        if not self._unknown.acquire(blocking=False):
            connection.close()
            return
        threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                words = _read_order(connection, self._order.token)
            finally:
                self._unknown.release()
            if words is None:
                return
            self._heard = time.monotonic()
            if words == ["hello"]:
                connection.sendall(b"here\n")
            elif len(words) == 2 and words[0] == "connect" and HOST.fullmatch(words[1]):
                self._connect(connection, words[1])

    def _connect(self, connection: socket.socket, address: str) -> None:
        if not self._known.acquire(blocking=False):
            self._journal.note(f"More than {MOST_CONNECTIONS} connections at a time are refused.")
            return
        self._active.add(threading.current_thread())
        try:
            self._journal.begin(f"The tunnel connects to {self._order.host or address}.")
            pass_through(
                connection,
                self._command(address),
                said=self._journal.said,
                ended=self._ended,
                stopping=lambda: self._stopped,
            )
        except DbmirrorError as error:
            self._journal.said(error.of_mirror(self._order.mirror).message)
        except OSError as error:
            self._journal.said(f"The connection broke off: {error.strerror or error}.")
        finally:
            self._journal.flush()
            self._active.discard(threading.current_thread())
            self._known.release()

    def _ended(self, code: int | None) -> None:
        """Called before the tunnel sees the end of the connection, and looks for what was said."""
        if code is None:
            self._journal.note("The connection was closed.")
        else:
            self._journal.ended(code)
        self._journal.flush()

    def _command(self, address: str) -> str:
        """The ProxyCommand that the user's ssh config has now for the driver at `address`. Raises DbmirrorError."""
        command = find_route(self._order.target(address)).hops[0].proxy_command
        if command is None:
            raise DbmirrorError(
                "Your ssh config has no ProxyCommand for the driver any more; "
                f"'dbmirror lab up {self._order.mirror}' follows it."
            )
        return command


def _read_order(connection: socket.socket, token: str) -> list[str] | None:
    """The words behind the `token`; None where it is not shown in time. Not a byte more is read."""
    line = bytearray()
    until = time.monotonic() + _TOKEN_SECONDS
    while not line.endswith(b"\n"):
        left = until - time.monotonic()
        if left <= 0 or len(line) > _LONGEST_ORDER:
            return None
        connection.settimeout(left)
        try:
            letter = connection.recv(1)
        except OSError:
            return None
        if not letter:
            return None
        line += letter
    connection.settimeout(None)
    shown, *words = line.decode("ascii", "replace").split() or [""]
    return words if hmac.compare_digest(shown.encode(), token.encode()) else None
