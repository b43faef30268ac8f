"""Reads what describes each installed distribution: the header lines and small files of its metadata folder."""

# ruff: noqa: PTH118
# The import of pathlib alone would take a tenth of the time that is allowed on the host.

from __future__ import annotations

import os

from dbmirror.inventory.sent.files import (
    LISTS_LIMIT,
    MEBIBYTE,
    SMALL_LIMIT,
    is_folder,
    list_once,
    note,
    only_fields,
    open_regular,
    read,
    read_headers,
    reason,
    shown,
    text,
)
from dbmirror.inventory.sent.python_environment import site_folders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LINKED_FOLDERS_LIMIT = 200
METADATA_FIELDS = frozenset((b"name", b"version", b"requires-dist", b"requires-python"))
WHEEL_FIELDS = frozenset((b"tag", b"build", b"root-is-purelib"))
HASHES = (b",sha256=", b",sha384=", b",sha512=")


def python_folders(
    environment: dict[str, Any], owners: dict[bytes, str], errors: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Each package folder once, in the order of the path, with what is installed in it.

    A folder that a .pth or .egg-link file adds comes after all others, with the name of that file.
    """
    seen: set[tuple[int, int]] = set()
    found: list[dict[str, Any]] = []
    linked: list[tuple[str, str, str]] = []
    queue = [(layer, folder, "") for layer, folder in site_folders(environment)]
    own_folders = len(queue)
    position = 0
    while position < len(queue):
        layer, folder, via = queue[position]
        position += 1
        listing = list_once(folder, layer, seen, errors)
        if listing is not None:
            entries = []
            for name in listing:
                entry = read_entry(folder, name, owners)
                if entry is not None:
                    entries.append(entry)
                if not via and name.endswith((".pth", ".egg-link")):
                    path = os.path.join(folder, name)
                    try:
                        linked.extend((layer, target, path) for target in linked_folders(folder, name))
                    except OSError as error:
                        if name.endswith(".pth"):
                            note(errors, path, reason(error), layer)
            if entries or not via:
                found.append({"layer": layer, "path": shown(folder), "via": shown(via), "entries": entries})
        if position == own_folders:
            queue.extend(linked[:LINKED_FOLDERS_LIMIT])
            for layer, target, _ in linked[LINKED_FOLDERS_LIMIT:]:
                note(errors, target, f"is one of more than {LINKED_FOLDERS_LIMIT} folders that are linked to", layer)
    return found


def linked_folders(folder: str, name: str) -> list[str]:
    """The folders that a .pth or .egg-link file adds to the path; its lines of code are not run.

    Raises OSError where the file cannot be read.
    """
    lines = text(read(os.path.join(folder, name), SMALL_LIMIT)).splitlines()
    if name.endswith(".egg-link"):
        lines = lines[:1]
    paths = [line.strip() for line in lines if line.strip() and not line.startswith(("#", "import ", "import\t"))]
    return [os.path.normpath(os.path.join(folder, path)) for path in paths if "\0" not in path]


def read_entry(folder: str, name: str, owners: dict[bytes, str]) -> dict[str, Any] | None:
    """What `name` in a package folder says of one distribution; None if it is nothing of that kind."""
    path = os.path.join(folder, name)
    files: dict[str, str] = {}
    problems: dict[str, str] = {}
    entry: dict[str, Any] = {"name": shown(name), "kind": "", "files": files, "problems": problems, "record": None}
    lower = name.lower()
    if lower.endswith(".dist-info"):
        entry["kind"] = "dist-info"
        read_dist_info(path, entry)
    elif lower.endswith(".egg-info"):
        entry["kind"] = "egg-info"
        inside = is_folder(path)
        read_metadata(os.path.join(path, "PKG-INFO") if inside else path, "PKG-INFO", files, problems)
        if inside:
            read_small(path, "requires.txt", files, problems)
    elif lower.endswith(".egg"):
        entry["kind"] = "egg"
        read_metadata(os.path.join(path, "EGG-INFO", "PKG-INFO"), "PKG-INFO", files, problems)
        read_small(os.path.join(path, "EGG-INFO"), "requires.txt", files, problems)
    elif lower.endswith(".egg-link"):
        entry["kind"] = "egg-link"
        try:
            targets = linked_folders(folder, name)
        except OSError as error:
            problems["target"] = reason(error)
        else:
            files.update({"target": shown(targets[0])} if targets else {})
    else:
        return None
    entry["owner"] = owners.get(os.fsencode(path))
    return entry


def read_dist_info(path: str, entry: dict[str, Any]) -> None:
    """The files of a .dist-info folder that matter."""
    files, problems = entry["files"], entry["problems"]
    read_metadata(os.path.join(path, "METADATA"), "METADATA", files, problems)
    for name in ("INSTALLER", "direct_url.json"):
        read_small(path, name, files, problems)
    try:
        files["WHEEL"] = only_fields(read_headers(os.path.join(path, "WHEEL")), WHEEL_FIELDS)
    except FileNotFoundError:
        pass
    except OSError as error:
        problems["WHEEL"] = reason(error)
    try:
        entry["record"] = count_record(os.path.join(path, "RECORD"))
    except FileNotFoundError:
        pass
    except OSError as error:
        problems["RECORD"] = reason(error)


def read_metadata(path: str, name: str, files: dict[str, str], problems: dict[str, str]) -> None:
    """The needed header lines of a METADATA or PKG-INFO file."""
    try:
        files[name] = only_fields(read_headers(path), METADATA_FIELDS)
    except OSError as error:
        problems[name] = reason(error)


def read_small(folder: str, name: str, files: dict[str, str], problems: dict[str, str]) -> None:
    """The whole of a small file, if it is there."""
    try:
        files[name] = text(read(os.path.join(folder, name), SMALL_LIMIT))
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        problems[name] = reason(error)


def count_record(path: str) -> list[int]:
    """How many lines a RECORD has, how many of them with a hash, and how many name byte code without one."""
    lines = hashed = bytecode = size = 0
    rest = b""
    with os.fdopen(open_regular(path), "rb", buffering=0) as stream:
        while True:
            part = stream.read(MEBIBYTE)
            size += len(part)
            if size > LISTS_LIMIT:
                raise OSError(0, f"is larger than {LISTS_LIMIT} bytes")
            if not part:
                part, rest = rest + b"\n" if rest else b"", b""
            else:
                part, _, rest = (rest + part).rpartition(b"\n")
                part += b"\n"
            if not part:
                return [lines, hashed, bytecode]
            lines += part.count(b"\n") - part.count(b"\n\n")
            hashed += sum(part.count(kind) for kind in HASHES)
            bytecode += part.count(b".pyc,,")
