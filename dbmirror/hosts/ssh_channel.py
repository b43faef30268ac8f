"""One command on one channel: stdin, stdout and stderr at the same time, within a deadline and a limit."""

from __future__ import annotations

import re
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import paramiko

from dbmirror.hosts.ssh_faults import SSH_FAULTS
from dbmirror.hosts.ssh_socket import Deadline
from dbmirror.parallel import go_on

LARGEST_ERRORS = 4 << 20
"""Bytes of stderr: a message repeats the last line of it, and a traceback has some thousand."""
_READ = 1 << 18
_WRITE = 1 << 15
_SECONDS_TO_END = 3.0
_SECONDS_TO_LEARN = 0.5


SILENCE = 10.0
"""Seconds without a byte after which the server is asked for a sign of life, …"""
ANSWER = 12.0
"""… and those that it has to give one."""


START = 30.0
"""Seconds in which the login shell has to come to the command."""


class Silent(Exception):
    """The server gives no sign of life."""


class NothingRan(Exception):
    """The login shell did not come to the command: it ended before, or took longer than START."""

    def __init__(self, code: int | None, said: bytes) -> None:
        super().__init__(code)
        self.code = code
        """What ended in place of the command; None where nothing ended."""
        self.said = said


class TooMuch(Exception):
    """The command printed more than the limit, on either stream."""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What came back."""

    code: int
    stdout: bytes
    stderr: bytes


class _Pulse:
    """Whether the server at the other end still lives while a command prints nothing."""

    def __init__(self, transport: paramiko.Transport) -> None:
        self._transport = transport
        self._heard = time.monotonic()
        self._asked: threading.Thread | None = None

    def heard(self) -> None:
        """Something came."""
        self._heard = time.monotonic()
        self._asked = None

    def check(self) -> None:
        """Raise Silent where the server was asked for a sign of life and gave none."""
        quiet = time.monotonic() - self._heard
        if self._asked is None and quiet > SILENCE:
            # It waits for the answer, and ends with the connection.
            self._asked = threading.Thread(target=self._ask, daemon=True)
            self._asked.start()
        elif self._asked is not None and not self._asked.is_alive():
            self.heard()
        elif quiet > SILENCE + ANSWER:
            raise Silent

    def _ask(self) -> None:
        # A server refuses a request that it does not know: that is an answer.
        with suppress(*SSH_FAULTS):
            self._transport.global_request("keepalive@openssh.com", wait=True)


class _Received:
    """What has come so far. The shell prints the marker and its process id on a line before anything of the command."""

    def __init__(self, marker: bytes) -> None:
        self._line = re.compile(re.escape(marker) + rb" ([0-9]{1,10})\n")
        self._begins = 0
        self._searched = 0
        self.shell: int | None = None
        """The process id of the shell, which leads the process group of the command."""
        self.stdout = bytearray()
        self.stderr = bytearray()

    def take(self, channel: paramiko.Channel) -> bool:
        """Append what is there; False if nothing is."""
        moved = False
        if channel.recv_ready():
            self.stdout += channel.recv(_READ)
            moved = True
            if self.shell is None:
                self._find()
        if channel.recv_stderr_ready():
            self.stderr += channel.recv_stderr(_READ)
            moved = True
        return moved

    def length(self) -> int:
        """Bytes of stdout that the command has printed."""
        return len(self.stdout) - self._begins

    def check(self, limit: int) -> None:
        """Raise TooMuch where the command printed more than `limit`, or more than LARGEST_ERRORS of errors."""
        before_marker = _READ if self.shell is None else 0
        if self.length() > limit + before_marker or len(self.stderr) > LARGEST_ERRORS:
            raise TooMuch

    def output(self) -> bytes:
        """The command's stdout."""
        return bytes(memoryview(self.stdout)[self._begins :])

    def _find(self) -> None:
        found = self._line.search(self.stdout, self._searched)
        if found:
            self._begins, self.shell = found.end(), int(found[1])
        self._searched = max(0, len(self.stdout) - 100)


def run_on_channel(
    transport: paramiko.Transport,
    command: str,
    *,
    marker: str,
    stdin: bytes,
    deadline: Deadline,
    limit: int,
) -> Exchanged:
    """Run the shell `command`; what is on stdout before the `marker` that this has printed first is dropped.

    Raises TimeoutError at the deadline, Silent where the server stops in the middle, NothingRan where the login shell
    did not come to the command, TooMuch above `limit` bytes of stdout or LARGEST_ERRORS of stderr, and SSHException,
    EOFError or OSError where the connection breaks. A command that is still running then is ended, also after Ctrl-C.
    """
    received = _Received(marker.encode())
    channel = transport.open_session(timeout=max(min(deadline.left(), SILENCE + ANSWER), 0.1))
    try:
        with _closed_at(channel, deadline):
            channel.exec_command(f"printf '%s %s\\n' {marker} $$; {command}")
        code = _pump(transport, channel, received, stdin=stdin, deadline=deadline, limit=limit)
    except BaseException:
        _learn_shell(channel, received)
        channel.close()
        _end(transport, received.shell)
        raise
    finally:
        channel.close()
    if received.shell is None:
        raise NothingRan(code, bytes(received.stderr or received.stdout))
    return Exchanged(code=code, stdout=received.output(), stderr=bytes(received.stderr))


def _pump(
    transport: paramiko.Transport,
    channel: paramiko.Channel,
    received: _Received,
    *,
    stdin: bytes,
    deadline: Deadline,
    limit: int,
) -> int:
    """Pass everything on until the command has ended; gives its code.

    What stands in the login shell's place, such as another shell that a start-up file started, gets no stdin: it
    would take that for commands.
    """
    channel.setblocking(0)
    start = Deadline(START)
    unsent: memoryview | None = memoryview(stdin)
    pulse = _Pulse(transport)
    while True:
        go_on()
        # Looked at before the buffers are: what was sent before the end is in them by then.
        ended = channel.closed or (channel.eof_received and channel.exit_status_ready()) or not transport.is_active()
        moved = received.take(channel)
        received.check(limit)
        if received.shell is None and not ended and not start.left():
            raise NothingRan(None, bytes(received.stderr or received.stdout))
        writing = unsent is not None and received.shell is not None
        if unsent is not None and writing and not ended:
            rest = _send(channel, unsent)
            moved, unsent = moved or rest is not unsent, rest
        if moved:
            pulse.heard()
            if not deadline.left():
                raise TimeoutError
        elif not ended:
            pulse.check()
        if not moved:
            if ended:
                break
            _wait(channel, deadline, writing=writing)
    if channel.exit_status < 0:
        # A broken connection closes its channels just before its thread ends.
        transport.join(0.5)
        if not transport.is_active():
            raise EOFError
        return 255
    return channel.exit_status


def _send(channel: paramiko.Channel, unsent: memoryview) -> memoryview | None:
    """Send as much as the window takes, and give the rest; None once all is sent and stdin is closed."""
    try:
        if not unsent:
            channel.shutdown_write()
            return None
        if not channel.send_ready():
            return unsent
        return unsent[channel.send(bytes(unsent[:_WRITE])) :]
    except TimeoutError:
        return unsent
    except OSError:
        # The command has closed its stdin or ended; what it printed is still to be read.
        return None


def _wait(channel: paramiko.Channel, deadline: Deadline, *, writing: bool) -> None:
    """Until something can be read; not for long where the window for writing is full, of which nobody tells."""
    left = deadline.left()
    if not left:
        raise TimeoutError
    if channel.eof_received:
        channel.status_event.wait(min(left, 0.05))
    else:
        select.select([channel], [], [], min(left, 0.005 if writing else 0.25))


@contextmanager
def _closed_at(channel: paramiko.Channel, deadline: Deadline) -> Iterator[None]:
    """Close `channel` at the deadline: paramiko waits without end for the answer to a request."""
    timer = threading.Timer(deadline.left(), channel.close)
    timer.daemon = True
    timer.start()
    try:
        yield
    except paramiko.SSHException:
        if not deadline.left():
            raise TimeoutError from None
        raise
    finally:
        timer.cancel()
        timer.join()


def _learn_shell(channel: paramiko.Channel, received: _Received) -> None:
    """Read on until the shell's process id is there: it may be on its way when an interrupt comes."""
    deadline = Deadline(_SECONDS_TO_LEARN)
    with suppress(*SSH_FAULTS):
        while received.shell is None and deadline.left() and not channel.closed:
            if not received.take(channel):
                time.sleep(0.02)


def _end(transport: paramiko.Transport, shell: int | None) -> None:
    """End the command's process group, over a channel of its own: closing a command's channel does not end it, and
    the protocol's own signals are refused where the login is root's.
    """
    if shell is None or not transport.is_active():
        return
    with suppress(*SSH_FAULTS):
        deadline = Deadline(_SECONDS_TO_END)
        channel = transport.open_session(timeout=deadline.left())
        with channel, _closed_at(channel, deadline):
            channel.exec_command(f"kill -TERM -- -{shell}")
            channel.status_event.wait(deadline.left())
