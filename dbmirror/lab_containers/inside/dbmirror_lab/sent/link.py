"""One end of a link: byte streams between Unix sockets that outlive the connection which carries them.

Both ends run this module. A stream is a channel; what one end reads from its socket of a channel, the other writes to
its own. Every frame is kept until the other end has said that it arrived, and is sent again over the next connection,
so ZeroMQ at either side never learns that there were two. Each channel may have CREDIT bytes under way: a reader that
does not read stops its own channel and no other, and what an interrupted link keeps in memory is bounded.
"""

from __future__ import annotations

import json
import selectors
import socket
import struct
import time
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

CREDIT = 32 << 20
BEAT = 2.0
"""Seconds after which an end that has nothing to say says so."""
SILENCE = 12.0
"""Seconds without a word from the other end after which the connection is given up."""

_HEADER = struct.Struct("!BII")
_COUNT = struct.Struct("!Q")
_CHUNK = 1 << 18
_ACKNOWLEDGE_BYTES = 1 << 20
_ORDERS = 0
_HELLO, _RECEIVED, _OPEN, _DATA, _CREDIT, _CLOSE, _ORDER = range(7)
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Mismatch(Exception):
    """The other end is not the one that this link was begun with."""


class Channel:
    """A stream's socket at this end."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.connection = connection
        self.waiting: deque[memoryview] = deque()
        """What the socket has not taken yet."""
        self.credit = CREDIT
        """Bytes that may be read from the socket and sent."""
        self.consumed = 0
        """Bytes that the socket took and the other end has not been told of."""
        self.ending = False
        """The other end closed: close when all is written."""


class Link:
    """A link without a connection, until `attach` gives it one."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        *,
        on_order: Callable[[dict[str, Any]], None],
        on_open: Callable[[int, int], None] | None = None,
    ) -> None:
        """`on_order` gets the other end's orders; `on_open` a channel's number and the port it is for, to `adopt`."""
        self._selector = selector
        self._on_order = on_order
        self._on_open = on_open
        self._connection: socket.socket | None = None
        self._channels: dict[int, Channel] = {}
        self._kept: deque[bytes] = deque()
        self._kept_from = 0
        self._received = 0
        self._unsaid = 0
        self._outgoing: deque[memoryview] = deque()
        self._incoming = bytearray()
        self._heard = self._spoke = 0.0
        self.greeted = False
        """The other end has answered on this connection."""

    @property
    def connected(self) -> bool:
        """Whether there is a connection, greeted or not."""
        return self._connection is not None

    @property
    def idle(self) -> bool:
        """Whether all that was sent has arrived."""
        return not self._kept

    def attach(self, connection: socket.socket) -> None:
        """Go on over `connection`, in place of the one before."""
        self.detach()
        connection.setblocking(False)
        self._connection = connection
        self._incoming.clear()
        self._heard = self._spoke = time.monotonic()
        self._outgoing = deque([memoryview(_frame(_HELLO, 0, _COUNT.pack(self._received)))])
        self._selector.register(connection, _READ | _WRITE, self._serve)

    def detach(self) -> None:
        """Close the connection, if there is one; the channels stay."""
        if self._connection is not None:
            self._selector.unregister(self._connection)
            self._connection.close()
        self._connection = None
        self.greeted = False
        self._outgoing.clear()

    def close(self) -> None:
        """Close the connection and every channel."""
        self.detach()
        for number in list(self._channels):
            self._drop(number)

    def tick(self) -> None:
        """Say what is due, and give up a connection that has been silent for SILENCE seconds; call every second."""
        now = time.monotonic()
        if self._connection is not None and now - self._heard > SILENCE:
            self.detach()
        elif self.greeted and (self._unsaid or now - self._spoke > BEAT):
            self._acknowledge()

    def order(self, content: dict[str, Any]) -> None:
        """Send an order to the other end."""
        self._send(_ORDER, _ORDERS, json.dumps(content).encode("ascii"))

    def open(self, number: int, port: int, connection: socket.socket) -> None:
        """Begin channel `number` (above 0, never used before) to what the other end has at `port`."""
        self._send(_OPEN, number, bytes([port]))
        self.adopt(number, connection)

    def adopt(self, number: int, connection: socket.socket | None) -> None:
        """Make `connection` this end of the channel `number`; None refuses it."""
        if connection is None:
            self._send(_CLOSE, number, b"")
            return
        channel = self._channels[number] = Channel(connection)
        self._selector.register(connection, _READ, lambda events: self._serve_channel(number, channel, events))

    def _send(self, kind: int, number: int, payload: bytes) -> None:
        frame = _frame(kind, number, payload)
        self._kept.append(frame)
        if self.greeted:
            self._say(frame)

    def _say(self, frame: bytes) -> None:
        if self._connection is not None:
            if not self._outgoing:
                self._selector.modify(self._connection, _READ | _WRITE, self._serve)
            self._outgoing.append(memoryview(frame))
            self._spoke = time.monotonic()

    def _acknowledge(self) -> None:
        self._unsaid = 0
        self._say(_frame(_RECEIVED, 0, _COUNT.pack(self._received)))

    def _serve(self, events: int) -> None:
        """Read from and write to the connection."""
        try:
            if events & _WRITE:
                self._flush()
            if events & _READ:
                self._listen()
        except BlockingIOError:
            pass
        except OSError:
            self.detach()

    def _flush(self) -> None:
        if self._connection is None:
            return
        while self._outgoing:
            sent = self._connection.sendmsg([self._outgoing[i] for i in range(min(len(self._outgoing), 16))])
            _advance(self._outgoing, sent)
        self._selector.modify(self._connection, _READ, self._serve)

    def _listen(self) -> None:
        if self._connection is None:
            return
        read = self._connection.recv(4 * _CHUNK)
        if not read:
            raise ConnectionResetError
        self._heard = time.monotonic()
        buffer = self._incoming
        buffer += read
        start = 0
        while len(buffer) - start >= _HEADER.size:
            kind, number, length = _HEADER.unpack_from(buffer, start)
            end = start + _HEADER.size + length
            if len(buffer) < end:
                break
            payload = bytes(memoryview(buffer)[start + _HEADER.size : end])
            start = end
            self._take(kind, number, payload)
            if not self.connected:
                return
        del buffer[:start]

    def _take(self, kind: int, number: int, payload: bytes) -> None:
        """Act on one frame."""
        if kind in (_HELLO, _RECEIVED):
            self._forget(_COUNT.unpack(payload)[0])
            if kind == _HELLO:
                self.greeted = True
                for frame in self._kept:
                    self._say(frame)
            return
        self._received += 1
        self._unsaid += _HEADER.size + len(payload)
        channel = self._channels.get(number)
        if kind == _ORDER:
            self._on_order(json.loads(payload))
        elif kind == _OPEN and self._on_open is not None:
            self._on_open(number, payload[0])
        elif channel is not None and kind == _DATA:
            channel.waiting.append(memoryview(payload))
            self._deliver(number, channel)
        elif channel is not None and kind == _CREDIT:
            channel.credit += _COUNT.unpack(payload)[0]
            self._watch(channel, number)
        elif channel is not None and kind == _CLOSE:
            channel.ending = True
            self._deliver(number, channel)
        if self._unsaid >= _ACKNOWLEDGE_BYTES:
            self._acknowledge()

    def _forget(self, received: int) -> None:
        """Let go of the frames that the other end has: the first `received` of all."""
        if not self._kept_from <= received <= self._kept_from + len(self._kept):
            self.detach()
            raise Mismatch(f"{received} frames of {self._kept_from + len(self._kept)}")
        while self._kept_from < received:
            self._kept.popleft()
            self._kept_from += 1

    def _serve_channel(self, number: int, channel: Channel, events: int) -> None:
        if events & _WRITE:
            self._deliver(number, channel)
        if not events & _READ or self._channels.get(number) is not channel:
            return
        try:
            read = channel.connection.recv(min(_CHUNK, channel.credit)) if channel.credit else None
        except BlockingIOError:
            return
        except OSError:
            read = b""
        if read:
            channel.credit -= len(read)
            self._send(_DATA, number, read)
            if not channel.credit:
                self._watch(channel, number)
        elif read == b"":
            self._send(_CLOSE, number, b"")
            self._drop(number)

    def _deliver(self, number: int, channel: Channel) -> None:
        """Write what waits to the channel's socket, and give the other end credit for it."""
        try:
            while channel.waiting:
                sent = channel.connection.sendmsg([channel.waiting[i] for i in range(min(len(channel.waiting), 16))])
                channel.consumed += sent
                _advance(channel.waiting, sent)
        except BlockingIOError:
            pass
        except OSError:
            self._send(_CLOSE, number, b"")
            self._drop(number)
            return
        if channel.ending and not channel.waiting:
            self._drop(number)
            return
        if channel.consumed >= CREDIT // 4:
            self._send(_CREDIT, number, _COUNT.pack(channel.consumed))
            channel.consumed = 0
        self._watch(channel, number)

    def _watch(self, channel: Channel, number: int) -> None:
        """Wait for just what can be done with the channel's socket at this moment."""
        # A selector does not take an empty set: a socket that may not be read is watched for room it does not need.
        events = (_READ if channel.credit else 0) | (_WRITE if channel.waiting else 0)
        key = self._selector.get_map().get(channel.connection)
        if not events:
            if key is not None:
                self._selector.unregister(channel.connection)
        elif key is None:
            self._selector.register(
                channel.connection, events, lambda ready: self._serve_channel(number, channel, ready)
            )
        elif key.events != events:
            self._selector.modify(channel.connection, events, key.data)

    def _drop(self, number: int) -> None:
        channel = self._channels.pop(number)
        if channel.connection in self._selector.get_map():
            self._selector.unregister(channel.connection)
        channel.connection.close()


def serve(selector: selectors.BaseSelector, timeout: float) -> None:
    """Wait at most `timeout` seconds, and call what each file that is ready was registered with."""
    for key, events in selector.select(timeout):
        # An earlier one of this turn may have closed it, and its number may be another's by now.
        current = selector.get_map().get(key.fd)
        if current is not None and current.fileobj is key.fileobj:
            current.data(events)


def _frame(kind: int, number: int, payload: bytes) -> bytes:
    return _HEADER.pack(kind, number, len(payload)) + payload


def _advance(queue: deque[memoryview], count: int) -> None:
    """Take the first `count` bytes off the queue."""
    while count:
        first = queue[0]
        if count < len(first):
            queue[0] = first[count:]
            return
        count -= len(first)
        queue.popleft()
