"""The archives in a mirror's folder, read only where each is the one that was locked."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dbmirror.files import sha256_hex
from dbmirror.lock.errors import LockError
from dbmirror.lock.mirror_lock import MirrorLock
from dbmirror.lock.model import CapturedWheel, GitSource
from dbmirror.lock.r.model import RAptPackage
from dbmirror.mirror_folder.files import LARGEST_ARCHIVE, read_below


def locked_archives(lock: MirrorLock) -> dict[str, str]:
    """The SHA-256 of each archive of `lock` by its path in the mirror's folder."""
    python = {
        package.source.path: package.source.sha256
        for package in lock.python.packages
        if isinstance(package.source, CapturedWheel | GitSource)
    }
    r = {
        package.source.path: package.source.sha256
        for package in (lock.r.packages if lock.r is not None else ())
        if not isinstance(package.source, RAptPackage) and package.source.path and package.source.sha256
    }
    return python | r


def read_archives(lock: MirrorLock, paths: Iterable[str], *, folder: Path, mirror: str) -> dict[str, bytes]:
    """The content of each of `paths`, archives of `lock` in the folder of `mirror`.

    Raises LockError where one is missing or is another file than the one that was locked: the folder may come from a
    repository, and a build takes nothing of it on trust.
    """
    hashes, found = locked_archives(lock), {}
    for path in paths:
        try:
            content = read_below(folder, path, largest=LARGEST_ARCHIVE)
        except FileNotFoundError:
            content = None
        if content is None or sha256_hex(content) != hashes.get(path):
            what = "is not there" if content is None else "is another file than the one that was locked"
            raise LockError(
                f"{folder / path} {what}.",
                remedy=f"Restore it from version control, or make it again with 'dbmirror lock {mirror}'.",
            )
        found[path] = content
    return found
