"""The driver's files over SFTP, as one side of a copy."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress

from paramiko import SFTPAttributes, SFTPClient, SFTPFile, SSHException
from paramiko.sftp import SFTPError

from dbmirror_lab.sync.limits import GROWTH, MOST_NAMES
from dbmirror_lab.sync.report import FileProblem, Problem
from dbmirror_lab.sync.side import BLOCK, Entry, part_of

_WINDOW = 128
"""Requests on their way at once: 4 MB, which a line with 50 ms of delay carries at 80 MB/s."""


class DriverSide:
    """The driver's files, over SFTP. All that it says is untrusted: a name is one step down or it is refused."""

    def __init__(self, session: SFTPClient, *, another: Callable[[], SFTPClient], lost: Callable[[], Problem]) -> None:
        self._session = session
        self._another = another
        """Opens one more session."""
        self._growing: bytes | None = None
        self._names = 0
        """How many names the driver has listed."""
        self._lost = lost
        """What to raise where the connection breaks."""

    def look(self, path: str, *, follow: bool = False) -> Entry | None:
        """As Side has it."""
        with self._doing("read", path):
            try:
                found = (self._session.stat if follow else self._session.lstat)(os.fsencode(path))
            except FileNotFoundError:
                return None
            return _entry(found)

    def entries(self, folder: str) -> dict[str, Entry]:
        """As Side has it."""
        listing = []
        try:
            with self._doing("read", folder):
                # The stubs know of no bytes, which are encoded by nobody.
                for each in self._session.listdir_iter(os.fsencode(folder)):
                    self._names += 1
                    if self._names > MOST_NAMES:
                        raise Problem(
                            f"The driver lists more than {MOST_NAMES:,} names, so nothing more is copied.",
                            remedy="Name a smaller folder, or pack it into one archive on the driver first.",
                        )
                    listing.append(each)
        except UnicodeDecodeError:
            raise FileProblem(
                f"{folder} could not be read on the driver: a name in it is not UTF-8, which only rsync can copy."
            ) from None
        found = {}
        for each in listing:
            if not each.filename or "/" in each.filename or "\0" in each.filename:
                raise Problem(f"The driver says that {folder} holds {each.filename!r}, which no file can be called.")
            found[each.filename] = _entry(each)
        return found

    def make_folder(self, path: str, mode: int) -> None:
        """As Side has it."""
        with self._doing("written", path):
            if (there := self.look(path)) is not None:
                if there.is_folder:
                    return
                self._session.remove(os.fsencode(path))
            self._session.mkdir(os.fsencode(path), mode)

    def read(self, path: str, size: int) -> Generator[bytes, None, None]:
        """As Side has it."""
        with self._doing("read", path), self._session.open(os.fsencode(path), "rb") as stream:
            done = 0
            while True:
                if done % (_WINDOW * BLOCK) == 0 and done < size:
                    stream.prefetch(min(size, done + _WINDOW * BLOCK))
                # At the end of a window no request crosses into the next one.
                block = stream.read(min(BLOCK, _WINDOW * BLOCK - done % (_WINDOW * BLOCK)))
                if not block:
                    return
                done += len(block)
                if done > size + GROWTH:
                    raise FileProblem(f"{path} on the driver has no end: it was listed with {size} bytes.")
                yield block

    def write(self, path: str, blocks: Iterator[bytes], *, mode: int, mtime: int) -> None:
        """As Side has it."""
        part = self._growing = os.fsencode(part_of(path))
        with self._doing("written", path):
            with suppress(FileNotFoundError):
                self._session.remove(part)
            stream = self._session.open(part, "wxb")
        try:
            with self._doing("written", path):
                self._session.chmod(part, 0o600)
            self._fill(stream, path, blocks)
            with self._doing("written", path):
                self._session.utime(part, (mtime, mtime))
                self._session.chmod(part, mode)
                self._session.posix_rename(part, os.fsencode(path))
        except BaseException:
            with suppress(OSError, EOFError, SSHException, SFTPError):
                stream.close()
                self._session.remove(part)
            raise
        self._growing = None

    def discard(self) -> None:
        """As Side has it. The session of the copy is not used: it may stand in the middle of a packet."""
        if self._growing is not None:
            with suppress(OSError, EOFError, SSHException, SFTPError, Problem), self._another() as session:
                session.remove(self._growing)

    def _fill(self, stream: SFTPFile, path: str, blocks: Iterator[bytes]) -> None:
        """Write `blocks` and close. Every answer of the driver is waited for before this returns."""
        count, ahead = 0, next(blocks, b"")
        while ahead:
            block, ahead = ahead, next(blocks, b"")
            count += 1
            with self._doing("written", path):
                # A write that is not pipelined reads all the answers that are due, and raises what they say.
                stream.set_pipelined(bool(ahead) and count % _WINDOW != 0)
                stream.write(block)
        with self._doing("written", path):
            stream.close()

    @contextmanager
    def _doing(self, what: str, path: str) -> Iterator[None]:
        try:
            yield
        except EOFError:
            raise FileProblem(f"{path} on the driver became shorter while it was copied.") from None
        except (SSHException, SFTPError, ConnectionError):
            raise self._lost() from None
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.EACCES}:
                raise FileProblem(f"{path} could not be {what} on the driver: {os.strerror(error.errno)}.") from None
            # All else is "Failure" in SFTP's version 3.
            if what == "written":
                raise Problem(
                    f"{path} could not be written on the driver, which gives no reason ({error}).",
                    remedy="Most often its disk is full.",
                ) from None
            raise FileProblem(f"{path} could not be read on the driver, which gives no reason ({error}).") from None


def _entry(found: SFTPAttributes) -> Entry:
    return Entry(found.st_mode or 0, found.st_size or 0, int(found.st_mtime or 0))
