"""What a copy over SFTP asks of the lab's and of the driver's file system."""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Protocol

BLOCK = 1 << 15
"""Bytes that are read and written at once: one SFTP request, as large as every server takes it."""
UMASK = 0o022
"""What new files and folders do not get: to be written by others."""


@dataclass(frozen=True)
class Entry:
    """What is at a path."""

    mode: int
    size: int
    mtime: int

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return stat.S_ISREG(self.mode)


class Side(Protocol):
    """A file system with paths of POSIX's form. Every method raises Problem, or FileProblem where others may go on."""

    def look(self, path: str, *, follow: bool = False) -> Entry | None:
        """What is at `path`, or with `follow` what it leads to if it is a link; None where nothing is."""

    def entries(self, folder: str) -> dict[str, Entry]:
        """What is in `folder` by name."""

    def make_folder(self, path: str, mode: int) -> None:
        """Make a folder, whose parent is there. What is no folder gives way to it."""

    def read(self, path: str, size: int) -> Generator[bytes, None, None]:
        """The content of a file that had `size` bytes a moment ago."""

    def write(self, path: str, blocks: Iterator[bytes], *, mode: int, mtime: int) -> None:
        """Have a file of that content at `path`, which is another one or none until all of it is there."""

    def discard(self) -> None:
        """Remove what grows in a `write` that goes no further; at any moment of it, for this is what a signal calls."""


def part_of(path: str) -> str:
    """Where the file for `path` is while it grows: always the same, so that what one copy left the next one removes."""
    folder, name = posixpath.split(path)
    mark = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    return posixpath.join(folder, f".dbmirror-{mark}.part")
