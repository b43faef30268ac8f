"""Marks where a sent program's answer begins and ends, so that other output on stdout is not taken for it."""

from __future__ import annotations

import hashlib
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def send(nonce: str, pieces: Iterable[bytes]) -> None:
    """Write one frame to stdout: begin with nonce, each piece after its length, a zero, SHA-256, end with nonce."""
    mark = nonce.encode("ascii")
    digest = hashlib.sha256()
    write(b"\ndbmirror-begin " + mark + b"\n")
    for piece in pieces:
        if piece:
            digest.update(piece)
            write(b"%08x\n" % len(piece))
            write(piece)
    write(b"00000000\n" + digest.hexdigest().encode("ascii") + b" dbmirror-end " + mark + b"\n")


def write(content: bytes) -> None:
    """Write all of `content` to stdout, past any buffer."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(1, rest) :]
