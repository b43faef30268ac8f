"""The two-way stream of a Docker exec: stdin written and half-closed, stdout and stderr taken apart, a deadline."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import time
from collections.abc import Callable
from typing import Any, Final

from dbmirror.parallel import go_on

STDERR = 2
"""The number of stderr in the engine's frame headers; stdout is 1."""
PIECE = 1 << 16
_HEADER: Final = 8
"""Bytes in front of each frame."""
_LONGEST_WAIT: Final = 0.5
"""Seconds until it is looked at whether this call is to end."""


class NoHalfClose(Exception):
    """The connection has no way to say that stdin ends while the answer still comes (TLS, a pipe of Windows)."""


class TooMuchOutput(Exception):
    """The command prints more than it may."""


class Deadline:
    """A moment `seconds` from now."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """The seconds left; raises TimeoutError when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def converse(
    stream: Any, stdin: bytes, deadline: Deadline, *, limit: int, on_stdout: Callable[[bytes], object] = lambda _: None
) -> tuple[bytes, bytes]:
    """Write `stdin` to the exec's `stream` while reading it to its end: stdout and stderr.

    `on_stdout` is given each piece of stdout as it comes, where the connection is one that can be waited for.

    `stream` is what the SDK's `exec_start(socket=True)` gives. Both directions go on at once, so that neither
    side waits for the other for ever. Raises TimeoutError at the deadline, TooMuchOutput after `limit` bytes, OSError
    where the connection breaks, NoHalfClose where stdin cannot be ended.
    """
    connection = getattr(stream, "_sock", stream)
    # A TLS socket cannot close one direction: its shutdown() drops the encryption of both.
    if not isinstance(connection, socket.socket) or isinstance(connection, ssl.SSLSocket):
        if stdin:
            raise NoHalfClose
        return demultiplex(_read_plainly(stream, deadline, limit))
    connection.setblocking(False)
    unsent = memoryview(stdin)
    frames = b""
    received: list[bytes] = []
    size = 0
    if not unsent:
        _end_of_input(connection)
    while True:
        go_on()
        patience = min(deadline.remaining(), _LONGEST_WAIT)
        readable, writable, _ = select.select([connection], [connection] if unsent else [], [], patience)
        if writable:
            try:
                unsent = unsent[connection.send(unsent[:PIECE]) :]
            except BlockingIOError:
                pass
            except (BrokenPipeError, ConnectionResetError):
                # The command ended without reading all of its input; what it said is still to be read.
                unsent = memoryview(b"")
            if not unsent:
                _end_of_input(connection)
        if readable:
            try:
                piece = connection.recv(PIECE)
            except BlockingIOError:
                continue
            if not piece:
                return demultiplex(b"".join(received))
            received.append(piece)
            size += len(piece)
            if size > limit:
                raise TooMuchOutput
            frames = hand_on(frames + piece, on_stdout)


def hand_on(frames: bytes, on_stdout: Callable[[bytes], object]) -> bytes:
    """Give `on_stdout` what whole frames have; what is left is the beginning of one that is not whole yet."""
    while len(frames) >= _HEADER:
        kind, length = struct.unpack_from(">BxxxL", frames)
        if len(frames) < _HEADER + length:
            break
        if kind != STDERR:
            on_stdout(frames[_HEADER : _HEADER + length])
        frames = frames[_HEADER + length :]
    return frames


def demultiplex(content: bytes) -> tuple[bytes, bytes]:
    """Take the engine's frames (8 bytes of header: kind, three zeros, big-endian length) apart: stdout, stderr.

    Raises ConnectionError where the last frame is not whole.
    """
    outputs: tuple[list[bytes], list[bytes]] = ([], [])
    position = 0
    while position < len(content):
        if position + 8 > len(content):
            raise ConnectionError("the engine's answer ends in the middle of a frame")
        kind, length = struct.unpack_from(">BxxxL", content, position)
        position += 8
        if position + length > len(content):
            raise ConnectionError("the engine's answer ends in the middle of a frame")
        outputs[kind == STDERR].append(content[position : position + length])
        position += length
    return b"".join(outputs[0]), b"".join(outputs[1])


def _end_of_input(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)


def _read_plainly(stream: Any, deadline: Deadline, limit: int) -> bytes:
    received: list[bytes] = []
    size = 0
    while size <= limit:
        stream.settimeout(deadline.remaining())
        piece = stream.recv(PIECE)
        if not piece:
            return b"".join(received)
        received.append(piece)
        size += len(piece)
    raise TooMuchOutput
