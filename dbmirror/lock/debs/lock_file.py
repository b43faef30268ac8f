"""The file of a lock that has its Debian packages: debian-lock.json."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import msgspec

from dbmirror.files import canonical_json, sha256_hex
from dbmirror.foreign_text.decoding import decode_json
from dbmirror.lock.debs.model import SCHEMA, DebianLock
from dbmirror.lock.errors import LockError
from dbmirror.lock.file_checks import AGAIN, REMEDY, read_lock_file
from dbmirror.mirror_folder.files import write_below
from dbmirror.mirror_folder.names import DEBIAN_LOCK


class _Version(msgspec.Struct):
    schema: int = 0


def write_debian_lock(lock: DebianLock, folder: Path) -> None:
    """Write `lock` into the mirror's `folder`. Raises UsageError."""
    write_below(folder, {DEBIAN_LOCK: _encoded(lock)})


def read_debian_lock(folder: Path, *, base: str) -> DebianLock:
    """The lock in the mirror's `folder`, for an image on `base`, every field checked.

    Raises LockError where there is none, as in folders of a dbmirror that locked no Debian packages, or it is of
    another schema, damaged, or not of that base.
    """
    content = read_lock_file(folder, DEBIAN_LOCK)
    try:
        if decode_json(content, _Version).schema != SCHEMA:
            raise LockError(f"{DEBIAN_LOCK} has a schema that this dbmirror does not read ({SCHEMA}).", remedy=AGAIN)
        lock = decode_json(content, DebianLock)
    except msgspec.DecodeError as error:
        raise LockError(f"{DEBIAN_LOCK} is not valid: {error}.", remedy=REMEDY) from error
    if lock.steps and lock.base != base:
        raise LockError(f"{DEBIAN_LOCK} is for the base {lock.base}, and the lock for {base}.", remedy=REMEDY)
    names: list[str | None] = [None]
    for step in lock.steps:
        if step.below not in names or step.name in names:
            raise LockError(f"{DEBIAN_LOCK}: the step {step.name} stands at the wrong place.", remedy=REMEDY)
        names.append(step.name)
    return lock


def debian_lock_digest(lock: DebianLock) -> str:
    """`sha256:<hex>` of the bytes of debian-lock.json."""
    return "sha256:" + sha256_hex(_encoded(lock))


@lru_cache(maxsize=64)
def _encoded(lock: DebianLock) -> bytes:
    return canonical_json(lock)
