"""The program that a host's Python gets on stdin to hand over the folder of one installed R package.

Started as `python -I -S -B - NONCE LIBRARY NAME`. The payload is one line of JSON, then the files' bytes one after the
other: `{"error": why}`, or `{"files": [[path below the folder, size, mode], …]}`.
"""
# ruff: noqa: PTH114, PTH118
# The import of pathlib alone would take a tenth of the time that is allowed on the host.

from __future__ import annotations

import os
import stat
import sys

from dbmirror.inventory.sent.capturer import LARGEST, Refused, pieces
from dbmirror.inventory.sent.frame import send


def main(arguments: list[str]) -> None:
    """Send the package, or why not, in a frame."""
    nonce, library, name = arguments
    try:
        header, paths = plan(os.path.join(library, name))
    except Refused as error:
        header, paths = {"error": str(error)}, []
    send(nonce, pieces(header, paths))


def plan(folder: str) -> tuple[dict[str, object], list[tuple[str, int]]]:
    """What will be sent: the header, and each file with the size it has now."""
    paths: list[tuple[str, int]] = []
    files: list[tuple[str, int, int]] = []

    def refuse(error: OSError) -> None:
        raise Refused(f"its folder cannot be read: {error.strerror or error}")

    for above, folders, names in os.walk(folder, onerror=refuse):
        for entry in folders:
            if os.path.islink(os.path.join(above, entry)):
                raise Refused("a folder in it is a link to somewhere else")
        for entry in names:
            path = os.path.join(above, entry)
            facts = os.lstat(path)
            if not stat.S_ISREG(facts.st_mode):
                raise Refused("it has something in it that is no regular file")
            paths.append((path, facts.st_size))
            files.append((path[len(folder) + 1 :], facts.st_size, facts.st_mode & 0o777))
    if sum(size for _, size in paths) > LARGEST:
        raise Refused(f"its files have more than {LARGEST} bytes")
    return {"files": files}, paths


if __name__ == "__main__":
    main(sys.argv[1:])
