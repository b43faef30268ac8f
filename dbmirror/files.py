"""Files that are whole or not there: atomic writes, and one canonical form for JSON."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from dbmirror.errors import UsageError


def write_atomically(path: Path, content: bytes, *, mode: int = 0o644) -> bool:
    """Write `content` to `path` by way of a temporary file beside it; False if the file already held just that.

    A file that does not change keeps its bytes, inode and time. The folder is made if it is missing.
    Raises UsageError where the place cannot be written (permissions, full disk): what stood there stays.
    """
    try:
        if path.is_file() and path.read_bytes() == content:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.chmod(mode)
            temporary.replace(path)
        except BaseException:
            temporary.unlink()
            raise
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror or error}.",
            remedy="Free some space or choose another folder; what was there before is unchanged.",
        ) from error
    return True


def canonical_json(value: Any) -> bytes:
    """`value` as indented JSON with sorted keys and a final new line: equal values give equal bytes."""
    encoded = msgspec.json.encode(value, order="sorted")
    return msgspec.json.format(encoded, indent=2) + b"\n"


def digest_of(value: Any) -> str:
    """`sha256:<hex>` of the canonical, unindented JSON of `value`."""
    return "sha256:" + hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()


def sha256_hex(content: bytes) -> str:
    """The SHA-256 of `content` as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()
