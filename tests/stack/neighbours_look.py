"""What an account of this machine sees of another one's secrets: a program of the standard library alone.

On stdin a line of JSON: `secrets`, name to text; `folders` to search, as globs; `pids` whose files in `/proc` are
opened, too. Looks once, and then again until stdin ends. Prints JSON: what it `found`, and how many `looks` there were.
"""

from __future__ import annotations

import glob
import json
import os
import select
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

LARGEST = 1 << 20
PACKAGES = {"fetched", "venv", "sha256", "site-packages"}
"""Folders of many files that are packages as an index has them: not searched."""
OF_ALL = ("cmdline", "environ")
OF_LAB = (
    *("root/run/secrets", "root/run/dbmirror", "root/dev/shm", "root/home/lab", "root/tmp"),
    *("fd", "cwd", "map_files"),
)


def look(about: dict[str, Any], found: set[tuple[str, str]]) -> None:
    """Add to `found` each name of a secret with the place where it was seen."""
    words = {name: text.encode() for name, text in about["secrets"].items()}
    own = str(os.getpid())
    pids = [path.name for path in Path("/proc").glob("[0-9]*") if path.name != own]
    places = [f"/proc/{pid}/{name}" for pid in pids for name in OF_ALL]
    folders = [*about["folders"], *(f"/proc/{pid}/{name}" for pid in about["pids"] for name in OF_LAB)]
    for place in [*places, *(file for folder in folders for file in files(folder))]:
        content = read(place)
        found.update((name, place) for name, word in words.items() if word in content)


def files(folders: str) -> Iterator[str]:
    for folder in glob.iglob(folders):  # noqa: PTH207 - of an absolute pattern
        for place, below, names in os.walk(folder):
            below[:] = [name for name in below if name not in PACKAGES]
            yield from (f"{place}/{name}" for name in names)


def read(place: str) -> bytes:
    with suppress(OSError):
        # A pipe or a terminal of somebody would be waited for.
        if not stat.S_ISREG(Path(place).stat().st_mode):
            return b""
        with Path(place).open("rb") as stream:
            return stream.read(LARGEST)
    return b""


def main() -> None:
    about = {"folders": [], "pids": [], **json.loads(sys.stdin.readline())}
    found: set[tuple[str, str]] = set()
    looks = 0
    while True:
        look(about, found)
        looks += 1
        if select.select([sys.stdin], [], [], 0)[0]:
            break
        time.sleep(0.3)
    json.dump({"found": sorted(found), "looks": looks}, sys.stdout)


if __name__ == "__main__":
    main()
