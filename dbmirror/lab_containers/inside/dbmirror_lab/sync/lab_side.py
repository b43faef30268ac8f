"""The lab's own files, as one side of a copy over SFTP."""

from __future__ import annotations

import errno
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dbmirror_lab.sync.report import FileProblem, Problem
from dbmirror_lab.sync.side import BLOCK, Entry, part_of

_HOPELESS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}
"""What no other file of the copy would be spared."""


class LabSide:
    """The lab's own files."""

    def __init__(self) -> None:
        self._growing: str | None = None

    def look(self, path: str, *, follow: bool = False) -> Entry | None:
        """As Side has it."""
        with self._doing("read", path):
            try:
                found = Path(path).stat() if follow else Path(path).lstat()
            except (FileNotFoundError, NotADirectoryError):
                return None
            return Entry(found.st_mode, found.st_size, int(found.st_mtime))

    def entries(self, folder: str) -> dict[str, Entry]:
        """As Side has it."""
        found = {}
        with self._doing("read", folder), os.scandir(folder) as listing:
            for each in listing:
                with suppress(FileNotFoundError):
                    state = each.stat(follow_symlinks=False)
                    found[each.name] = Entry(state.st_mode, state.st_size, int(state.st_mtime))
        return found

    def make_folder(self, path: str, mode: int) -> None:
        """As Side has it."""
        with self._doing("written", path):
            if (there := self.look(path)) is not None:
                if there.is_folder:
                    return
                Path(path).unlink()
            Path(path).mkdir(mode)

    def read(self, path: str, size: int) -> Generator[bytes, None, None]:
        """As Side has it."""
        with self._doing("read", path):
            # A link that took the file's place meanwhile is not followed.
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as stream:
                while block := stream.read(BLOCK):
                    yield block

    def write(self, path: str, blocks: Iterator[bytes], *, mode: int, mtime: int) -> None:
        """As Side has it."""
        part = self._growing = part_of(path)
        with self._doing("written", path):
            Path(part).unlink(missing_ok=True)
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            try:
                for block in blocks:
                    with self._doing("written", path):
                        rest = memoryview(block)
                        while rest:
                            rest = rest[os.write(descriptor, rest) :]
                with self._doing("written", path):
                    os.fchmod(descriptor, mode)
                    os.utime(descriptor, (mtime, mtime))
            finally:
                os.close(descriptor)
            with self._doing("written", path):
                Path(part).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(part).unlink(missing_ok=True)
            raise
        self._growing = None

    def discard(self) -> None:
        """As Side has it."""
        if self._growing is not None:
            with suppress(OSError):
                Path(self._growing).unlink(missing_ok=True)

    @contextmanager
    def _doing(self, what: str, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            kind = Problem if error.errno in _HOPELESS else FileProblem
            raise kind(f"{path} could not be {what} in the lab: {error.strerror}.") from None
