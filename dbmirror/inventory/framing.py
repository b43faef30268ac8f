"""Finds the answer of a sent program among whatever else came on stdout, and checks that it is complete."""

from __future__ import annotations

import hashlib
import re

from dbmirror.inventory.errors import PayloadDamaged

_LENGTH = re.compile(rb"[0-9a-f]{8}\n")
_REMEDY = "Try again; if it stays, a login script of the host (~/.bashrc, /etc/profile.d) may write to its output."


def unframe(stdout: bytes, nonce: str, *, host: str) -> bytes:
    """The payload of the frame marked with `nonce`, its SHA-256 checked; `host` is the name for messages.

    The frame is as inventory/sent/frame.py writes it. Raises PayloadDamaged where it is missing or not whole.
    """
    mark = nonce.encode("ascii")
    _, begin, rest = stdout.partition(b"\ndbmirror-begin " + mark + b"\n")
    if not begin:
        raise PayloadDamaged(f"{host} ran the collector, but its answer is missing from the output.", remedy=_REMEDY)
    pieces: list[bytes] = []
    position = 0
    while True:
        if not _LENGTH.fullmatch(rest[position : position + 9]):
            raise PayloadDamaged(f"The answer of {host} is cut short or mixed with other output.", remedy=_REMEDY)
        length = int(rest[position : position + 8], 16)
        position += 9
        if length == 0:
            break
        pieces.append(rest[position : position + length])
        position += length
    payload = b"".join(pieces)
    end = hashlib.sha256(payload).hexdigest().encode("ascii") + b" dbmirror-end " + mark + b"\n"
    if not rest.startswith(end, position):
        raise PayloadDamaged(f"The answer of {host} does not have the checksum that it states.", remedy=_REMEDY)
    return payload
