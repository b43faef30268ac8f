"""The bytes under an SSH connection: a TCP connection, or a ProxyCommand as a child process; both within a deadline."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from subprocess import Popen, TimeoutExpired
from typing import IO

from dbmirror.foreign_text.redaction import foreign_line
from dbmirror.hosts.ssh_config import Hop
from dbmirror.hosts.ssh_errors import (
    ConnectionRefused,
    DeadlinePassed,
    NameNotResolved,
    ProxyCommandFailed,
    Unreachable,
)
from dbmirror.hosts.ssh_files import starting_folder
from dbmirror.processes.child import spawn, stop

_SECONDS_TO_STOP = 2.0


class Deadline:
    """A point in time, so many seconds from now."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds until then, at least 0."""
        return max(0.0, self._end - time.monotonic())


def connect_tcp(hop: Hop, deadline: Deadline) -> socket.socket:
    """A TCP connection to the first of the host's addresses that accepts one.

    Raises NameNotResolved, ConnectionRefused, Unreachable or DeadlinePassed. The system's resolver has a timeout of
    its own, which can be longer than what is left.
    """
    try:
        addresses = socket.getaddrinfo(hop.host, hop.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        reason = error.strerror if isinstance(error, socket.gaierror) and error.strerror else str(error)
        raise NameNotResolved(hop.host, reason) from error
    failures: list[OSError] = []
    for family, kind, protocol, _, address in addresses:
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(max(deadline.left(), 0.001))
            connection.connect(address)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            connection.close()
            failures.append(error)
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    if any(isinstance(failure, ConnectionRefusedError) for failure in failures):
        raise ConnectionRefused(hop.address) from failures[0]
    if any(isinstance(failure, TimeoutError) for failure in failures) or not deadline.left():
        raise DeadlinePassed(hop.address, deadline.seconds, "no connection") from failures[0]
    raise Unreachable(hop.address, failures[0].strerror or str(failures[0])) from failures[0]


def start_proxy_command(
    command: str, *, stdin: int | IO[bytes], stdout: int | IO[bytes], stderr: int | IO[bytes]
) -> Popen[bytes]:
    """Run `command` in the user's shell, as OpenSSH does, in a session of its own. Raises ProcessFailed.

    It starts in the home folder.
    """
    shell = shutil.which(os.environ.get("SHELL", "")) or "/bin/sh"
    return spawn([shell, "-c", f"exec {command}"], stdin=stdin, stdout=stdout, stderr=stderr, folder=starting_folder())


class ProxyCommand:
    """A running ProxyCommand, whose stdin and stdout are one end of a socket pair.

    paramiko.ProxyCommand is not used: it never notices that the command has ended, leaves its stderr unread until it
    blocks, runs it without a shell, and leaves its children behind.
    """

    def __init__(self, command: str) -> None:
        self.command = command
        self.socket, theirs = socket.socketpair()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            with theirs:
                self._process = start_proxy_command(
                    command, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=self._stderr
                )
        except BaseException:
            self.socket.close()
            self._stderr.close()
            raise

    def failure(self) -> ProxyCommandFailed:
        """Why there is no connection, as far as the command said it."""
        with suppress(TimeoutExpired):
            self._process.wait(timeout=0.5)
        return ProxyCommandFailed(self.command, self._process.poll(), self.said())

    def said(self) -> str:
        """The last of its stderr, on one line."""
        self._stderr.seek(0)
        text = self._stderr.read()[-2000:].decode(errors="replace").replace("\n", " | ")
        return foreign_line(text).strip(" |")

    def close(self) -> None:
        """End the command and the processes that it started."""
        self.socket.close()
        stop(self._process, interrupt_seconds=0.0, terminate_seconds=_SECONDS_TO_STOP)
        self._stderr.close()


@contextmanager
def proxy_command(command: str) -> Iterator[ProxyCommand]:
    """The running `command`; it is ended when the context is left."""
    proxy = ProxyCommand(command)
    try:
        yield proxy
    finally:
        proxy.close()
