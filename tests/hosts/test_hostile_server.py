"""A server that speaks just enough of SSH to break its client: each end is a sentence, and comes in time."""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from dbmirror.hosts.known_hosts import KnownHosts
from dbmirror.hosts.ssh import connect, read_host_key
from dbmirror.hosts.ssh_config import SshTarget
from dbmirror.hosts.ssh_errors import SshError

GREETING = b"SSH-2.0-OpenSSH_9.6\r\n"
TITLE = b"\x1b]0;owned\x07\x9b31m"
"""What a terminal would obey, and no UTF-8."""


def text(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def packet(payload: bytes) -> bytes:
    """A packet before any key was agreed on."""
    padding = 8 - (len(payload) + 5) % 8
    padding += 8 if padding < 4 else 0
    return struct.pack(">IB", len(payload) + padding + 1, padding) + payload + bytes(padding)


def offer(*lists: bytes) -> bytes:
    """KEXINIT with these ten lists."""
    return packet(b"\x14" + bytes(16) + b"".join(map(text, lists)) + bytes(5))


ANSWERS = {
    "a text that is no UTF-8": GREETING + packet(b"\x01" + struct.pack(">I", 2) + text(TITLE) + text(b"")),
    "a debug message that is no UTF-8": GREETING + packet(b"\x04\x01" + text(TITLE) + text(b"")),
    "a greeting that a terminal obeys": b"SSH-2.0-" + TITLE + b"\r\n",
    "lists that are no UTF-8": GREETING + offer(*[TITLE] * 10),
    "lists that are longer than the packet": GREETING + packet(b"\x14" + bytes(16) + b"\x7f\xff\xff\xff"),
    "no packet": GREETING + b"\xff" * 200,
    "an empty packet": GREETING + packet(b""),
    "a packet of padding": GREETING + struct.pack(">IB", 12, 255) + bytes(300),
    "an answer that nothing asked for": GREETING + packet(b"\x1f" + text(b"k") + text(b"f") + text(b"s")),
    "unimplemented": GREETING + packet(b"\x03" + struct.pack(">I", 7)),
    "new keys before any": GREETING + packet(b"\x15"),
    "lines without end": b"no ssh here\r\n" * 20_000,
    "one line without end": b"A" * 300_000,
    "ssh 1": b"SSH-1.5-x\r\n",
}
RANDOM = [
    GREETING + b"".join(packet(noise.randbytes(noise.randrange(1, 80))) for _ in range(3))
    for noise in map(random.Random, range(30))
]


@pytest.fixture
def serve() -> Iterator[Callable[[bytes], SshTarget]]:
    listeners: list[socket.socket] = []

    def start(answer: bytes) -> SshTarget:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def run() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, suppress(OSError):
                    connection.sendall(answer)
                    connection.settimeout(1.0)
                    while connection.recv(1 << 16):
                        pass

        threading.Thread(target=run, daemon=True).start()
        return SshTarget(host="127.0.0.1", port=listener.getsockname()[1], user="ubuntu")

    yield start
    for listener in listeners:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.mark.parametrize("answer", [*ANSWERS.values(), *RANDOM], ids=[*ANSWERS, *map(str, range(len(RANDOM)))])
def test_a_server_that_breaks_the_protocol_ends_in_a_sentence(
    serve: Callable[[bytes], SshTarget], answer: bytes, tmp_path: Path
) -> None:
    target, begun = serve(answer), time.monotonic()
    for attempt in (
        lambda: connect(target, known_hosts=KnownHosts(tmp_path / "known"), confirm=None, deadline=3.0),
        lambda: read_host_key(target, deadline=3.0),
    ):
        with pytest.raises(SshError) as refused:
            attempt()
        assert refused.value.message.isprintable()
    assert time.monotonic() - begun < 10
