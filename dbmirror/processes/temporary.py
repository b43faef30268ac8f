"""Temporary folders that go with the block that made them; those of a killed run go with the next run of its home."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dbmirror.processes import runs

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - the folders made in it are this user's alone
_NAME: Final = re.compile(r"dbmirror-[a-z]+-(?P<mark>[0-9a-f]+-[0-9a-f]+)-\w+")


@contextmanager
def temporary_folder(purpose: str, *, in_memory: bool = False) -> Iterator[Path]:
    """A folder that only this user can read, `dbmirror-PURPOSE-MARK-…`; it goes when the block ends.

    `in_memory` keeps it off the disk where the system has a place for that: for what is secret. What killed runs left
    is removed first. Raises OSError where no folder can be made.
    """
    clear_left_behind()
    place = _MEMORY if in_memory and _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix=f"dbmirror-{purpose}-{runs.mark()}-", dir=place) as name:
        yield Path(name)


def left_behind() -> tuple[Path, ...]:
    """The temporary folders of runs of this home that ended without removing them, sorted."""
    found = []
    for place in sorted({Path(tempfile.gettempdir()), _MEMORY}):
        try:
            names = [path.name for path in place.iterdir()]
        except OSError:
            continue
        for name in names:
            match = _NAME.fullmatch(name)
            if match is not None and runs.is_over(match["mark"]):
                found.append(place / name)
    return tuple(sorted(found))


def clear_left_behind() -> None:
    """Remove what `left_behind` finds. What is not this user's stays: the system refuses it."""
    found = left_behind()
    for folder in found:
        shutil.rmtree(folder, ignore_errors=True)
    if not any(folder.exists() for folder in found):
        runs.forget_ended_runs()
