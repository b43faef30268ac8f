"""Reading files on the host: regular ones only, never more than a limit, and never waiting."""

# ruff: noqa: PTH116, PTH118, PTH208
# The import of pathlib alone would take a tenth of the time that is allowed on the host.

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MEBIBYTE = 1 << 20
HEADERS_LIMIT = MEBIBYTE
SMALL_LIMIT = 1 << 16
LISTS_LIMIT = 64 * MEBIBYTE
FOLDER_LIMIT = 50_000


def shown(path: str) -> str:
    """`path` as text that JSON can hold, whatever bytes are in it."""
    return text(os.fsencode(path))


def text(content: bytes) -> str:
    """`content` decoded; what is not UTF-8 is written as an escape."""
    return content.decode("utf-8", "backslashreplace")


def reason(error: OSError) -> str:
    """Why a file could not be read, in the system's words."""
    return error.strerror or str(error)


def note(errors: list[dict[str, Any]], path: str, why: str, layer: str | None = None) -> None:
    """Put down that `path` could not be read."""
    errors.append({"path": shown(path), "reason": why, "layer": layer})


def open_regular(path: str) -> int:
    """A descriptor of the regular file `path`; never waits, as opening a named pipe would."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(0, "is not a regular file")


def read(path: str, limit: int) -> bytes:
    """The content of `path`. Raises OSError if there is none, or it has more than `limit` bytes."""
    with os.fdopen(open_regular(path), "rb", buffering=0) as stream:
        parts: list[bytes] = []
        room = limit
        while True:
            part = stream.read(min(room, MEBIBYTE) + 1)
            if not part:
                return b"".join(parts)
            parts.append(part)
            room -= len(part)
            if room < 0:
                raise OSError(0, f"is larger than {limit} bytes")


def read_headers(path: str) -> bytes:
    """The lines of `path` before the first empty one."""
    with os.fdopen(open_regular(path), "rb", buffering=0) as stream:
        content = b""
        while len(content) <= HEADERS_LIMIT:
            part = stream.read(SMALL_LIMIT)
            content += part
            ends = [end for end in (content.find(b"\n\n"), content.find(b"\n\r\n")) if end >= 0]
            if ends:
                return content[: min(ends)]
            if not part:
                return content
    raise OSError(0, f"has no end of its header lines within {HEADERS_LIMIT} bytes")


def only_fields(content: bytes, wanted: frozenset[bytes], prefix: bytes = b"\0") -> str:
    """The header lines of `content` whose field is in `wanted` or begins with `prefix`, with their continuations."""
    kept = []
    keeping = False
    for line in content.split(b"\n"):
        if line[:1] not in (b" ", b"\t"):
            field = line.partition(b":")[0].strip().lower()
            keeping = field in wanted or field.startswith(prefix)
        if keeping:
            kept.append(line)
    return text(b"\n".join(kept))


def children(folder: str, prefix: str = "") -> list[str]:
    """The paths in `folder` whose name begins with `prefix`, sorted; none if it cannot be listed."""
    try:
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.startswith(prefix)]
    except OSError:
        return []


def list_once(
    folder: str, layer: str | None, seen: set[tuple[int, int]], errors: list[dict[str, Any]]
) -> list[str] | None:
    """The names in `folder`, in the order in which the file system gives them (importlib.metadata's, too).

    None if it is not there, cannot be read, or was listed before under another name.
    """
    try:
        facts = os.stat(folder)
        if (facts.st_dev, facts.st_ino) in seen or not stat.S_ISDIR(facts.st_mode):
            return None
        seen.add((facts.st_dev, facts.st_ino))
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        note(errors, folder, reason(error) if isinstance(error, OSError) else str(error), layer)
        return None
    if len(names) > FOLDER_LIMIT:
        note(errors, folder, f"has more than {FOLDER_LIMIT} entries; the rest was not read", layer)
    return names[:FOLDER_LIMIT]
