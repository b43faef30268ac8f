"""The folder of fetched files, each under the SHA-256 of its content."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from dbmirror.fetch.errors import StoreError
from dbmirror.folders import cache_folder, make_private

LIMIT: Final = 20 << 30
"""Bytes. A mirror of a runtime has some 0.3 GB of wheels, one of a machine-learning runtime some 3 GB."""


class Store:
    """Files under their SHA-256, shared by all mirrors and runs of this user; used as a context manager.

    Nobody but dbmirror writes here, and a file takes its place in one step when its content is known: another run, or
    one that was killed, leaves no half file. While any run uses the store nothing is removed, so that a path that it
    gave stays valid; the last one that leaves removes what was used least recently until `limit` bytes are left.
    The modification time of a file follows from its content: BuildKit tells by size and time what it has already.
    """

    def __init__(self, folder: Path | None = None, *, limit: int = LIMIT) -> None:
        self.folder = folder or cache_folder() / "files"
        self.limit = limit
        self._lock = -1

    def __enter__(self) -> Self:
        with _as_store_error(self.folder):
            for part in (self.folder, self._files, self._incoming):
                make_private(part)
            self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_SH)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            # Whoever holds it shared is at work: the next one that leaves alone clears up.
            with suppress(OSError):
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._clear_up()
        finally:
            os.close(self._lock)

    @property
    def _files(self) -> Path:
        return self.folder / "sha256"

    @property
    def _incoming(self) -> Path:
        return self.folder / "incoming"

    def path(self, sha256: str) -> Path | None:
        """The file with that hash (64 lower-case digits), read through to see that it still has it; None if none has.

        The path is valid until the store is left. The file is for reading: who wants to have it elsewhere links it
        (`place`).
        """
        path = self._place(sha256)
        try:
            with path.open("rb") as stream:
                intact = hashlib.file_digest(stream, "sha256").hexdigest() == sha256
                if intact:
                    os.utime(stream.fileno(), ns=(time.time_ns(), path.stat().st_mtime_ns))
        except OSError:
            return None
        if not intact:
            # A disk that was full or damaged when it was written.
            path.unlink(missing_ok=True)
        return path if intact else None

    def put(self, write: Callable[[Callable[[bytes], None]], None]) -> tuple[Path, str, int]:
        """What `write` hands on piece by piece, as a file: its path, SHA-256 and size.

        Where `write` raises, nothing is kept. Raises StoreError where the disk is full.
        """
        digest, size = hashlib.sha256(), 0
        with _as_store_error(self.folder):
            descriptor, name = tempfile.mkstemp(dir=self._incoming)
        try:
            with os.fdopen(descriptor, "wb") as stream:

                def take(piece: bytes) -> None:
                    nonlocal size
                    digest.update(piece)
                    size += len(piece)
                    with _as_store_error(self.folder):
                        stream.write(piece)

                write(take)
                with _as_store_error(self.folder):
                    stream.flush()
            with _as_store_error(self.folder):
                return self._keep(Path(name), digest.hexdigest()), digest.hexdigest(), size
        finally:
            Path(name).unlink(missing_ok=True)

    def place(self, sha256: str, target: Path) -> None:
        """Put the file with that hash at `target`, by a hard link where the file system allows it.

        Raises StoreError where the store does not have it, or `target` cannot be written.
        """
        found = self.path(sha256)
        if found is None:
            raise StoreError(f"The file with the SHA-256 {sha256} is not in {self.folder}.", remedy="Try again.")
        with _as_store_error(target.parent):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(found, target)
            except OSError:
                shutil.copyfile(found, target)
                os.utime(target, ns=(found.stat().st_mtime_ns,) * 2)

    @contextmanager
    def folder_for_links(self) -> Iterator[Path]:
        """An empty folder where `place` makes links and no copies; it goes when the block ends."""
        with _as_store_error(self.folder):
            folder = tempfile.TemporaryDirectory(dir=self._incoming, ignore_cleanup_errors=True)
        with folder as name:
            yield Path(name)

    def _place(self, sha256: str) -> Path:
        if len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):
            raise StoreError(f"{sha256[:80]!r} is not a SHA-256.")
        return self._files / sha256[:2] / sha256

    def _keep(self, temporary: Path, sha256: str) -> Path:
        place = self._place(sha256)
        place.parent.mkdir(mode=0o700, exist_ok=True)
        temporary.chmod(0o444)
        os.utime(temporary, ns=(time.time_ns(), int(sha256[:7], 16) * 1_000_000_000))
        temporary.replace(place)
        return place

    def _clear_up(self) -> None:
        """Remove what killed runs left and what was used least recently; nobody else uses the store."""
        for path in self._incoming.iterdir():
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        left = self.limit
        for _, size, path in sorted(self._kept(), reverse=True):
            left -= size
            if left < 0:
                path.unlink(missing_ok=True)

    def _kept(self) -> Iterator[tuple[int, int, Path]]:
        """Time of use in nanoseconds, size, path."""
        for path in self._files.glob("??/*"):
            facts = path.stat()
            yield facts.st_atime_ns, facts.st_size, path


@contextmanager
def _as_store_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be used: {error.strerror or error}.",
            remedy="Free some space there, or set DBMIRROR_HOME to a folder on another disk.",
        ) from error
