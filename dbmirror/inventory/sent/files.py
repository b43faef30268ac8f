"""Reading files on the host: regular ones only, never more than a limit, and never waiting."""

# ruff: noqa: PTH110, PTH112, PTH115, PTH116, PTH118, PTH208
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
LINKS_LIMIT = 40
"""As many links on one path as the system itself follows."""

below = ""
"""The folder that holds the host's files; empty where they are the machine's own."""


def look_below(folder: str) -> None:
    """Take `folder` for the host's root from now on: links are followed inside of it alone."""
    global below  # noqa: PLW0603  a program that is sent reads one host
    below = folder


def at(path: str) -> str:
    """Where the host's absolute `path` lies on this machine. Raises OSError where its links lead round in a ring."""
    return inside(below, path) if below else path


def inside(folder: str, path: str) -> str:
    """The place of `path` where `folder` is the root, its links followed as if there were nothing above `folder`.

    Raises OSError where the links do not come to an end.
    """
    rest = path.split("/")[::-1]
    here: list[str] = []
    links = 0
    while rest:
        part = rest.pop()
        if part == "..":
            del here[-1:]
        if part in ("", ".", ".."):
            continue
        try:
            target = os.readlink("/".join([folder, *here, part]))
        except OSError:
            here.append(part)
            continue
        links += 1
        if links > LINKS_LIMIT:
            raise OSError(0, "has too many links")
        if target.startswith("/"):
            here = []
        rest.extend(target.split("/")[::-1])
    return "/".join([folder, *here])


def real(path: str) -> str:
    """The host's `path` without links."""
    return (at(path)[len(below) :] or "/") if below else os.path.realpath(path)


def exists(path: str) -> bool:
    """Whether the host has `path`."""
    try:
        return os.path.exists(at(path))
    except OSError:
        return False


def is_folder(path: str) -> bool:
    """Whether the host's `path` is a folder."""
    try:
        return os.path.isdir(at(path))
    except OSError:
        return False


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
    descriptor = os.open(at(path), os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
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
        return [os.path.join(folder, name) for name in sorted(os.listdir(at(folder))) if name.startswith(prefix)]
    except OSError:
        return []


def list_once(
    folder: str, layer: str | None, seen: set[tuple[int, int]], errors: list[dict[str, Any]]
) -> list[str] | None:
    """The names in `folder`, in the order in which the file system gives them (importlib.metadata's, too).

    None if it is not there, cannot be read, or was listed before under another name.
    """
    try:
        place = at(folder)
        facts = os.stat(place)
        if (facts.st_dev, facts.st_ino) in seen or not stat.S_ISDIR(facts.st_mode):
            return None
        seen.add((facts.st_dev, facts.st_ino))
        names = sorted(os.listdir(place)) if below else os.listdir(place)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        note(errors, folder, reason(error) if isinstance(error, OSError) else str(error), layer)
        return None
    if len(names) > FOLDER_LIMIT:
        note(errors, folder, f"has more than {FOLDER_LIMIT} entries; the rest was not read", layer)
    return names[:FOLDER_LIMIT]
