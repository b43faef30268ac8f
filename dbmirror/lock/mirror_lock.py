"""A mirror's lock, Python's and R's half and Debian's packages, as one value with one digest and table of fates."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from dbmirror.files import sha256_hex
from dbmirror.filters.flavour import Flavour
from dbmirror.lock.debs.lock_file import debian_lock_digest, read_debian_lock, write_debian_lock
from dbmirror.lock.debs.model import DebianLock
from dbmirror.lock.fates import FateKind
from dbmirror.lock.model import Lock
from dbmirror.lock.python.lock_files import lock_digest, read_lock, write_lock
from dbmirror.lock.r.lock_files import has_r_lock, r_lock_digest, read_r_lock, remove_r_lock, write_r_lock
from dbmirror.lock.r.model import RLock

_IN_IMAGE = frozenset({FateKind.MIRRORED, FateKind.PROVIDED, FateKind.SUBSTITUTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorLock:
    """What goes into an image, and the fate of everything that was found."""

    python: Lock
    """Base, target and snapshot stand here, also for an image with R alone."""
    r: RLock | None = None
    """None for a cluster without R. For the flavour `python` it holds the fates alone."""
    debian: DebianLock = field(default_factory=DebianLock)
    """What apt installs on the base."""

    @property
    def flavour(self) -> Flavour:
        """What the image's notebooks are written in, by what is locked."""
        if self.r_in_image is None:
            return Flavour.PYTHON
        return Flavour.PYTHON_R if any(fate.kind in _IN_IMAGE for fate in self.python.fates) else Flavour.R

    @property
    def r_in_image(self) -> RLock | None:
        """R's half, where the image has R."""
        if self.r is not None and (self.r.packages or any(fate.kind in _IN_IMAGE for fate in self.r.fates)):
            return self.r
        return None

    @property
    def snapshot(self) -> str:
        """Digest of the snapshot that it was made from."""
        return self.python.snapshot

    @property
    def runtime(self) -> str:
        """The Databricks Runtime that the image is for."""
        return self.python.runtime

    @property
    def digest(self) -> str:
        """`sha256:<hex>`: equal for the same packages from the same sources."""
        parts = [lock_digest(self.python), debian_lock_digest(self.debian)]
        if self.r is not None:
            parts.append(r_lock_digest(self.r))
        return "sha256:" + sha256_hex(" ".join(parts).encode())

    def counts(self) -> dict[FateKind, int]:
        """How many packages have each fate; the sum is the number of all that were found."""
        python, r = self.python.counts(), self.r.counts() if self.r is not None else {}
        return {kind: count + r.get(kind, 0) for kind, count in python.items()}

    @property
    def found(self) -> int:
        """How many packages were found, of either language."""
        return len(self.python.fates) + (len(self.r.fates) if self.r is not None else 0)


def write_mirror_lock(lock: MirrorLock, folder: Path) -> None:
    """Write `lock` into `folder`; what an earlier lock with R left goes. Raises UsageError."""
    write_lock(lock.python, folder)
    write_debian_lock(lock.debian, folder)
    if lock.r is None:
        remove_r_lock(folder)
    else:
        write_r_lock(lock.r, folder)


def read_mirror_lock(folder: Path) -> MirrorLock:
    """The lock in `folder`, every field checked. Raises LockError."""
    python = read_lock(folder)
    debian = read_debian_lock(folder, base=python.base.reference)
    return MirrorLock(python=python, r=read_r_lock(folder) if has_r_lock(folder) else None, debian=debian)
