"""The program that a host's Python gets on stdin to hand over the files of one installed distribution.

Started as `python -I -S -B - NONCE LOCATION NAME VERSION`. The payload is one line of JSON, then the files' bytes
one after the other: `{"error": why}`, or `{"folder": …, "record": …, "files": [[path, size, mode], …]}`.
"""
# ruff: noqa: PTH116, PTH118, PTH119, PTH120, PTH123, PTH208
# Paths are compared as the host's RECORD spells them, which pathlib would change.

from __future__ import annotations

import csv
import io
import json
import os
import stat
import sys

from dbmirror.inventory.sent.files import LISTS_LIMIT, MEBIBYTE, read, text
from dbmirror.inventory.sent.frame import send

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST = 1024 * MEBIBYTE


class Refused(Exception):
    """The distribution cannot be handed over; the message is a clause that says why."""


def main(arguments: list[str]) -> None:
    """Send the distribution, or why not, in a frame."""
    nonce, location, name, version = arguments
    try:
        header, paths = plan(location, name, version)
    except Refused as error:
        header, paths = {"error": str(error)}, []
    send(nonce, pieces(header, paths))


def plan(location: str, name: str, version: str) -> tuple[dict[str, object], list[tuple[str, int]]]:
    """What will be sent: the header, and each file with the size it has now."""
    folder = find_folder(location, name, version)
    try:
        record = read(os.path.join(location, folder, "RECORD"), LISTS_LIMIT)
    except OSError as error:
        raise Refused(f"its RECORD cannot be read: {error.strerror or error}") from error
    root = os.path.realpath(environment_root(location))
    paths: list[tuple[str, int]] = []
    files: list[tuple[str, int, int]] = []
    for row in csv.reader(io.StringIO(text(record), newline="")):
        if len(row) < 2 or not row[1]:
            continue
        path = os.path.realpath(os.path.join(location, row[0]))
        if not path.startswith(root + "/"):
            raise Refused(f"its RECORD lists {row[0]!r}, which is outside the environment")
        try:
            facts = os.stat(path)
        except OSError as error:
            raise Refused(f"its file {row[0]} cannot be read: {error.strerror or error}") from error
        if not stat.S_ISREG(facts.st_mode):
            raise Refused(f"its file {row[0]} is not a regular file")
        paths.append((path, facts.st_size))
        files.append((row[0], facts.st_size, facts.st_mode & 0o777))
    if sum(size for _, size in paths) > LARGEST:
        raise Refused(f"its files have more than {LARGEST} bytes")
    return {"folder": folder, "record": text(record), "files": files}, paths


def find_folder(location: str, name: str, version: str) -> str:
    """The name of the .dist-info of `name` (PEP 503 form) at `version`."""
    try:
        entries = os.listdir(location)
    except OSError as error:
        raise Refused(f"its folder cannot be read: {error.strerror or error}") from error
    for entry in entries:
        if entry.endswith(".dist-info"):
            spelling, _, found = entry[: -len(".dist-info")].rpartition("-")
            parts = [part for part in spelling.lower().replace("_", "-").replace(".", "-").split("-") if part]
            if "-".join(parts) == name and found.replace("-", "_") == version.replace("-", "_"):
                return entry
    raise Refused("it has no .dist-info there any more")


def environment_root(location: str) -> str:
    """The folder that a distribution's files may lie in: above `lib/python3.X/site-packages`, else `location`."""
    above = os.path.dirname(location)
    if os.path.basename(location) in ("site-packages", "dist-packages") and os.path.basename(above).startswith(
        "python"
    ):
        return os.path.dirname(os.path.dirname(above))
    return location


def pieces(header: dict[str, object], paths: list[tuple[str, int]]) -> Iterator[bytes]:
    """The payload in pieces of at most a mebibyte, so that no large file is held in memory."""
    yield json.dumps(header).encode("ascii") + b"\n"
    for path, size in paths:
        with open(path, "rb") as stream:
            left = size
            while left:
                piece = stream.read(min(left, MEBIBYTE))
                if not piece:
                    raise SystemExit(f"{path} became shorter while it was read")
                left -= len(piece)
                yield piece


if __name__ == "__main__":
    main(sys.argv[1:])
