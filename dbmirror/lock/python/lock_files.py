"""The files of a lock in a mirror's folder: pylock.toml, fates.json, and the archives in wheels/ and sources/."""

from __future__ import annotations

from pathlib import Path

from dbmirror.files import sha256_hex
from dbmirror.lock.file_checks import read_lock_file
from dbmirror.lock.model import CapturedWheel, GitSource, Lock
from dbmirror.lock.python.pylock import decode, encode_fates, encode_pylock
from dbmirror.mirror_folder.files import write_below
from dbmirror.mirror_folder.names import FATES, PYLOCK, SOURCES, WHEELS
from dbmirror.mirror_folder.trees import remove_others_below

ARCHIVE_FOLDERS = (WHEELS, SOURCES)


def write_lock(lock: Lock, folder: Path) -> tuple[str, ...]:
    """Write `lock` into `folder` and remove the archives that it no longer names; the names of the files that changed.

    Raises UsageError where the folder cannot be written: what stood there stays.
    """
    changed = write_below(folder, {PYLOCK: encode_pylock(lock), FATES: encode_fates(lock)})
    return (*changed, *remove_unnamed(lock, folder))


def remove_unnamed(lock: Lock | None, folder: Path) -> tuple[str, ...]:
    """Remove the archives in `folder` that `lock` does not name; their names. Without a lock no archive is named."""
    packages = lock.packages if lock is not None else ()
    named = {package.source.path for package in packages if isinstance(package.source, CapturedWheel | GitSource)}
    removed: list[str] = []
    for place in ARCHIVE_FOLDERS:
        keep = {name.removeprefix(f"{place}/") for name in named}
        removed.extend(f"{place}/{name}" for name in remove_others_below(folder, place, keep))
    return tuple(removed)


def read_lock(folder: Path) -> Lock:
    """The lock in `folder`, every field checked. Raises LockError where there is none, or it is damaged or hostile."""
    return decode(read_lock_file(folder, PYLOCK), read_lock_file(folder, FATES))


def lock_digest(lock: Lock) -> str:
    """`sha256:<hex>` of the bytes of the lock's pylock.toml: equal for the same packages from the same sources."""
    return "sha256:" + sha256_hex(encode_pylock(lock))
