"""What a command in a container prints is handed on as it comes, whole frames at a time."""

from __future__ import annotations

import struct

from dbmirror.hosts.exec_stream import STDERR, demultiplex, hand_on


def frame(kind: int, content: bytes) -> bytes:
    return struct.pack(">BxxxL", kind, len(content)) + content


def test_stdout_is_handed_on_in_pieces_of_any_size_and_stderr_is_not() -> None:
    sent = frame(1, b"one ") + frame(STDERR, b"a warning") + frame(1, b"") + frame(1, b"two")
    for size in (1, 3, 8, len(sent)):
        heard: list[bytes] = []
        rest = b""
        for start in range(0, len(sent), size):
            rest = hand_on(rest + sent[start : start + size], heard.append)
        assert (b"".join(heard), rest) == (demultiplex(sent)[0], b"")
