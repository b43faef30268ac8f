"""One connection of the tunnel: a ProxyCommand runs, its stdin and stdout are the connection, its stderr is kept."""

from __future__ import annotations

import os
import re
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from subprocess import PIPE, Popen, TimeoutExpired
from typing import Final

from dbmirror.hosts.ssh_socket import start_proxy_command
from dbmirror.processes.child import stop

_PIECE: Final = 64 << 10
_LOOK: Final = 0.2
"""Seconds between two looks at whether the connection is over."""
_END_SECONDS: Final = 1.0
"""How long a ProxyCommand may take to end by itself once the tunnel has closed the connection."""
_STOP_SECONDS: Final = 2.0
_LONGEST_LINE: Final = 4096


def pass_through(
    connection: socket.socket,
    command: str,
    *,
    said: Callable[[str], None],
    ended: Callable[[int | None], None],
    stopping: Callable[[], bool],
) -> None:
    """Run `command` for as long as both it and the `connection` last.

    `said` is called with each line of its stderr; then `ended` with its exit code, None where it did not end by itself;
    then the connection is closed. Nothing that it started in its process group is left.
    Raises ProcessFailed where it cannot be started.
    """
    child = start_proxy_command(command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    over = threading.Event()
    # Each thread has a descriptor of its own, which nobody closes under it.
    stdin, stdout, stderr = (os.dup(pipe.fileno()) for pipe in (child.stdin, child.stdout, child.stderr) if pipe)
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()
    threads = [
        threading.Thread(target=work, args=arguments, daemon=True)
        for work, *arguments in (
            (_to_program, connection, stdin, over),
            (_from_program, connection, stdout, over),
            (_hear, stderr, said, over, child),
        )
    ]
    try:
        for thread in threads:
            thread.start()
        while not over.wait(_LOOK) and not stopping():
            # A grandchild (a shared ssh that goes on in the background) can hold the pipes of one that has ended.
            if child.poll() is not None:
                over.wait(_END_SECONDS)
                break
        with suppress(TimeoutExpired):
            child.wait(0 if stopping() else _END_SECONDS)
        over.set()
        threads[-1].join(2 * _END_SECONDS)
        ended(child.poll())
    finally:
        over.set()
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        stop(child, interrupt_seconds=0.0, terminate_seconds=_STOP_SECONDS)
        for thread in threads:
            thread.join(_END_SECONDS)


def _to_program(connection: socket.socket, stdin: int, over: threading.Event) -> None:
    try:
        for piece in _pieces(connection.fileno(), over):
            unsent = memoryview(piece)
            while unsent:
                unsent = unsent[os.write(stdin, unsent) :]
    except OSError:
        pass
    finally:
        os.close(stdin)
        over.set()


def _from_program(connection: socket.socket, stdout: int, over: threading.Event) -> None:
    try:
        for piece in _pieces(stdout, over):
            connection.sendall(piece)
    except OSError:
        pass
    finally:
        os.close(stdout)
        over.set()


def _hear(stderr: int, said: Callable[[str], None], over: threading.Event, child: Popen[bytes]) -> None:
    """Read to the end what it says, also what it says last; not what a grandchild says after that."""
    begun = b""
    patience = None
    try:
        while True:
            if over.is_set() or child.returncode is not None:
                patience = patience or time.monotonic() + _END_SECONDS
                if time.monotonic() > patience:
                    break
            if not select.select([stderr], [], [], _LOOK)[0]:
                continue
            piece = os.read(stderr, _LONGEST_LINE)
            if not piece:
                break
            # A spinner overwrites its line again and again.
            *lines, begun = re.split(rb"[\r\n]+", begun + piece)
            if len(begun) > _LONGEST_LINE:
                lines, begun = [*lines, begun], b""
            for line in lines:
                said(line.decode(errors="replace"))
    except OSError:
        pass
    finally:
        os.close(stderr)
        said(begun.decode(errors="replace"))


def _pieces(descriptor: int, over: threading.Event) -> Iterator[bytes]:
    """What comes, until there is no more or the connection is over."""
    while not over.is_set():
        if select.select([descriptor], [], [], _LOOK)[0]:
            piece = os.read(descriptor, _PIECE)
            if not piece:
                return
            yield piece
