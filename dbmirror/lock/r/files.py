"""The files of R's lock in a mirror's folder: renv.lock, r-fates.json, and the archives in r-sources/."""

from __future__ import annotations

from pathlib import Path

from dbmirror.files import sha256_hex, write_together
from dbmirror.lock.errors import LockError
from dbmirror.lock.python.document import REMEDY
from dbmirror.lock.r.model import RAptPackage, RLock
from dbmirror.lock.r.renv import R_FATES, RENV_LOCK, decode, encode_r_fates, encode_renv
from dbmirror.lock.r.sources import FOLDER


def write_r_lock(lock: RLock, folder: Path) -> tuple[str, ...]:
    """Write `lock` into `folder` and remove the archives that it no longer names; the names of the files that changed.

    Raises UsageError where the folder cannot be written: what stood there stays.
    """
    contents = {folder / RENV_LOCK: encode_renv(lock), folder / R_FATES: encode_r_fates(lock)}
    changed = [path.name for path in write_together(contents)]
    named = {
        package.source.path
        for package in lock.packages
        if not isinstance(package.source, RAptPackage) and package.source.path is not None
    }
    return (*changed, *_remove_archives(folder, named))


def has_r_lock(folder: Path) -> bool:
    """Whether there is a lock of R in `folder`."""
    return (folder / RENV_LOCK).is_file()


def remove_r_lock(folder: Path) -> tuple[str, ...]:
    """Remove R's lock from `folder`, of a mirror that has no R any more; the names of the files that went."""
    gone = []
    for name in (RENV_LOCK, R_FATES):
        if (folder / name).is_file():
            (folder / name).unlink()
            gone.append(name)
    return (*gone, *_remove_archives(folder, set()))


def read_r_lock(folder: Path) -> RLock:
    """R's lock in `folder`, every field checked. Raises LockError where there is none, or it is damaged or hostile."""
    return decode(_read(folder / RENV_LOCK), _read(folder / R_FATES))


def r_lock_digest(lock: RLock) -> str:
    """`sha256:<hex>` of the bytes of renv.lock: equal for the same packages from the same sources."""
    return "sha256:" + sha256_hex(encode_renv(lock))


def _remove_archives(folder: Path, named: set[str]) -> tuple[str, ...]:
    gone = []
    for path in sorted((folder / FOLDER).glob("*")):
        name = f"{FOLDER}/{path.name}"
        if path.is_file() and name not in named:
            path.unlink()
            gone.append(name)
    return tuple(gone)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise LockError(f"There is no {path}.", remedy="Make the lock with 'dbmirror lock MIRROR'.") from None
    except OSError as error:
        raise LockError(f"{path} cannot be read: {error.strerror or error}.", remedy=REMEDY) from error
