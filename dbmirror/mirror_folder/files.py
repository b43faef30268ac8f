"""One file below a mirror's folder: read, written whole, removed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from dbmirror.errors import UsageError
from dbmirror.mirror_folder.opening import NotPlain, open_file, opened_folder, parts_of, plain_facts, shown, unreadable
from dbmirror.mirror_folder.staged import clear_staged, remedy_of, staged_name

LARGEST_DOCUMENT: Final = 64 << 20
"""Bytes of a snapshot, lock or report: the largest real ones have some 2 MB, and they are read into memory."""
LARGEST_ARCHIVE: Final = 4 << 30
"""Bytes of a wheel or source archive: the largest real ones (torch for GPUs) have about 1 GB."""

_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_BLOCK: Final = 1 << 20


def read_below(folder: Path, name: str, *, largest: int = LARGEST_DOCUMENT) -> bytes:
    """The content of the file `name` (with slashes) below `folder`.

    Raises NotPlain where it is no plain file, a folder above it is a link, or it has more than `largest` bytes; OSError
    (FileNotFoundError) where it cannot be read.
    """
    with _file(folder, name) as descriptor, os.fdopen(os.dup(descriptor), "rb") as stream:
        content = stream.read(largest + 1)
    if len(content) > largest:
        raise NotPlain(
            f"{shown(folder / name)} is larger than {largest >> 20} MB, so it is not read.",
            remedy="dbmirror never writes a file of that size there: restore it from version control, or remove it.",
        )
    return content


def sha256_below(folder: Path, name: str) -> str | None:
    """The SHA-256 of the file `name` below `folder` in hexadecimal; None where there is none. Raises NotPlain."""
    digest = hashlib.sha256()
    try:
        with _file(folder, name) as descriptor:
            while block := os.read(descriptor, _BLOCK):
                digest.update(block)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unreadable(folder / name, error) from error
    return digest.hexdigest()


def is_file_below(folder: Path, name: str) -> bool:
    """Whether there is a plain file `name` below `folder`. Raises NotPlain where a link or a special file is there."""
    return stat.S_ISREG(_facts(folder, name))


def is_folder_below(folder: Path, name: str) -> bool:
    """Whether there is a folder `name` below `folder`. Raises NotPlain where a link or a special file is there."""
    return stat.S_ISDIR(_facts(folder, name))


def make_folder_below(folder: Path, name: str, *, mode: int = 0o755) -> None:
    """Make the folder `name` below `folder`, and those above it, where they are missing.

    Raises NotPlain where a link or a file is in the way, UsageError where it cannot be made.
    """
    path = folder / name
    try:
        with opened_folder(folder, parts_of(path, name), make=mode):
            pass
    except OSError as error:
        raise UsageError(f"{shown(path)} cannot be made: {error.strerror or error}.") from error


def write_below(folder: Path, contents: Mapping[str, bytes], *, mode: int = 0o644) -> tuple[str, ...]:
    """Write files that belong together below `folder`, each whole or not at all; the names of those that changed.

    All of them are on the disk before the first takes its place, so that a full disk leaves all the old ones. A file
    that does not change keeps its bytes, inode and time. Folders are made where they are missing. What a killed run of
    this home left half written in them goes.
    Raises NotPlain where a link is in the way, UsageError where one cannot be written.
    """
    staged: list[tuple[str, int, str, str]] = []
    folders: dict[str, int] = {}
    name = ""
    with ExitStack() as opened:
        try:
            for name, content in contents.items():
                *above, last = parts_of(folder / name, name)
                place = "/".join(above)
                if place not in folders:
                    folders[place] = opened.enter_context(opened_folder(folder, above, make=0o755))
                    clear_staged(folders[place])
                descriptor = folders[place]
                if not _holds(descriptor, last, folder / name, content):
                    temporary = staged_name(last)
                    staged.append((name, descriptor, temporary, last))
                    _stage(descriptor, temporary, content, mode)
            for name, descriptor, temporary, last in staged:  # noqa: B007 - the error names it
                os.rename(temporary, last, src_dir_fd=descriptor, dst_dir_fd=descriptor)
        except OSError as error:
            raise UsageError(
                f"{shown(folder / name)} cannot be written: {error.strerror or error}.",
                remedy=remedy_of(error),
            ) from error
        finally:
            for _, descriptor, temporary, _ in staged:
                with contextlib.suppress(OSError):
                    os.unlink(temporary, dir_fd=descriptor)
    return tuple(name for name, *_ in staged)


def remove_below(folder: Path, name: str) -> bool:
    """Remove the plain file `name` below `folder`; False where there is none. Raises NotPlain, UsageError."""
    *above, last = parts_of(folder / name, name)
    try:
        with opened_folder(folder, above) as descriptor:
            if not stat.S_ISREG(plain_facts(descriptor, last, folder / name).st_mode):
                return False
            os.unlink(last, dir_fd=descriptor)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise UsageError(f"{shown(folder / name)} cannot be removed: {error.strerror or error}.") from error
    return True


@contextlib.contextmanager
def _file(folder: Path, name: str) -> Iterator[int]:
    *above, last = parts_of(folder / name, name)
    with opened_folder(folder, above) as descriptor:
        file = open_file(descriptor, last, folder / name)
    try:
        yield file
    finally:
        os.close(file)


def _facts(folder: Path, name: str) -> int:
    *above, last = parts_of(folder / name, name)
    try:
        with opened_folder(folder, above) as descriptor:
            return plain_facts(descriptor, last, folder / name).st_mode
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise unreadable(folder / name, error) from error


def _holds(above: int, name: str, path: Path, content: bytes) -> bool:
    try:
        descriptor = open_file(above, name, path)
    except FileNotFoundError:
        return False
    with os.fdopen(descriptor, "rb") as stream:
        return os.fstat(descriptor).st_size == len(content) and stream.read(len(content) + 1) == content


def _stage(above: int, name: str, content: bytes, mode: int) -> None:
    with os.fdopen(os.open(name, _WRITE, 0o600, dir_fd=above), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
        os.fchmod(stream.fileno(), mode)
