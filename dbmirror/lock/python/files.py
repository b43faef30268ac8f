"""The files of a lock in a mirror's folder: pylock.toml, fates.json, and the archives in wheels/ and sources/."""

from __future__ import annotations

from pathlib import Path

from dbmirror.files import sha256_hex, write_together
from dbmirror.lock.errors import LockError
from dbmirror.lock.model import CapturedWheel, GitSource, Lock
from dbmirror.lock.python.document import FATES, PYLOCK, REMEDY, decode, encode_fates, encode_pylock

ARCHIVE_FOLDERS = ("wheels", "sources")


def write_lock(lock: Lock, folder: Path) -> tuple[str, ...]:
    """Write `lock` into `folder` and remove the archives that it no longer names; the names of the files that changed.

    Raises UsageError where the folder cannot be written: what stood there stays.
    """
    contents = {folder / PYLOCK: encode_pylock(lock), folder / FATES: encode_fates(lock)}
    changed = [path.name for path in write_together(contents)]
    return (*changed, *remove_unnamed(lock, folder))


def remove_unnamed(lock: Lock | None, folder: Path) -> tuple[str, ...]:
    """Remove the archives in `folder` that `lock` does not name; their names. Without a lock no archive is named."""
    packages = lock.packages if lock is not None else ()
    named = {package.source.path for package in packages if isinstance(package.source, CapturedWheel | GitSource)}
    removed = []
    for place in ARCHIVE_FOLDERS:
        for path in sorted((folder / place).glob("*")):
            name = f"{place}/{path.name}"
            if path.is_file() and name not in named:
                path.unlink()
                removed.append(name)
    return tuple(removed)


def read_lock(folder: Path) -> Lock:
    """The lock in `folder`, every field checked. Raises LockError where there is none, or it is damaged or hostile."""
    return decode(_read(folder / PYLOCK), _read(folder / FATES))


def lock_digest(lock: Lock) -> str:
    """`sha256:<hex>` of the bytes of the lock's pylock.toml: equal for the same packages from the same sources."""
    return "sha256:" + sha256_hex(encode_pylock(lock))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise LockError(f"There is no {path}.", remedy="Make the lock with 'dbmirror lock MIRROR'.") from None
    except OSError as error:
        raise LockError(f"{path} cannot be read: {error.strerror or error}.", remedy=REMEDY) from error
