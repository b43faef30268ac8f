"""The files of R's lock in a mirror's folder: renv.lock, r-fates.json, and the archives in r-sources/."""

from __future__ import annotations

from pathlib import Path

from dbmirror.files import sha256_hex
from dbmirror.lock.file_checks import read_lock_file
from dbmirror.lock.r.model import RAptPackage, RLock
from dbmirror.lock.r.renv import decode, encode_r_fates, encode_renv
from dbmirror.mirror_folder.files import is_file_below, remove_below, write_below
from dbmirror.mirror_folder.names import R_FATES, R_SOURCES, RENV_LOCK
from dbmirror.mirror_folder.trees import remove_others_below


def write_r_lock(lock: RLock, folder: Path) -> tuple[str, ...]:
    """Write `lock` into `folder` and remove the archives that it no longer names; the names of the files that changed.

    Raises UsageError where the folder cannot be written: what stood there stays.
    """
    changed = write_below(folder, {RENV_LOCK: encode_renv(lock), R_FATES: encode_r_fates(lock)})
    named = {
        package.source.path
        for package in lock.packages
        if not isinstance(package.source, RAptPackage) and package.source.path is not None
    }
    return (*changed, *_remove_archives(folder, named))


def has_r_lock(folder: Path) -> bool:
    """Whether there is a lock of R in `folder`."""
    return is_file_below(folder, RENV_LOCK)


def remove_r_lock(folder: Path) -> tuple[str, ...]:
    """Remove R's lock from `folder`, of a mirror that has no R any more; the names of the files that went."""
    gone = [name for name in (RENV_LOCK, R_FATES) if remove_below(folder, name)]
    return (*gone, *_remove_archives(folder, set()))


def read_r_lock(folder: Path) -> RLock:
    """R's lock in `folder`, every field checked. Raises LockError where there is none, or it is damaged or hostile."""
    return decode(read_lock_file(folder, RENV_LOCK), read_lock_file(folder, R_FATES))


def r_lock_digest(lock: RLock) -> str:
    """`sha256:<hex>` of the bytes of renv.lock: equal for the same packages from the same sources."""
    return "sha256:" + sha256_hex(encode_renv(lock))


def _remove_archives(folder: Path, named: set[str]) -> tuple[str, ...]:
    keep = {name.removeprefix(f"{R_SOURCES}/") for name in named}
    return tuple(f"{R_SOURCES}/{name}" for name in remove_others_below(folder, R_SOURCES, keep))
