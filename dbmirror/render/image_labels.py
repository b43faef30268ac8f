"""The labels of an image: what it mirrors, and by the digests of which snapshot and lock."""

from __future__ import annotations

from packaging.pylock import PylockValidationError

from dbmirror.config import Waiver
from dbmirror.filters.flavour import Flavour
from dbmirror.lock.debs.lock_file import debian_lock_digest
from dbmirror.lock.debs.model import DebianLock
from dbmirror.lock.model import Lock
from dbmirror.lock.python.lock_files import lock_digest
from dbmirror.lock.r.lock_files import r_lock_digest
from dbmirror.lock.r.model import RLock
from dbmirror.mirror_folder.names import PYLOCK
from dbmirror.render.bom_link import LABEL as BOM_LABEL
from dbmirror.render.bom_link import bom_link
from dbmirror.render.errors import RenderError


def labels(
    lock: Lock,
    r_lock: RLock | None,
    *,
    debian: DebianLock | None,
    mirror: str,
    waivers: tuple[Waiver, ...],
    flavour: Flavour,
) -> list[tuple[str, str]]:
    """Names and values of the labels of a mirror's image; those without a value are left out."""
    name, _, digest = lock.base.reference.partition("@")
    labels = {
        "org.opencontainers.image.title": mirror,
        "org.opencontainers.image.description": f"Mirror of a Databricks cluster on runtime {lock.runtime}",
        "org.opencontainers.image.base.name": name,
        "org.opencontainers.image.base.digest": digest,
        "io.dbmirror.mirror": mirror,
        "io.dbmirror.runtime": lock.runtime,
        "io.dbmirror.snapshot": lock.snapshot,
        "io.dbmirror.lock": _digest(lock),
        "io.dbmirror.debian-lock": debian_lock_digest(debian) if debian is not None else "",
        "io.dbmirror.flavour": "" if flavour is Flavour.PYTHON else flavour,
        "io.dbmirror.r-lock": r_lock_digest(r_lock) if r_lock is not None else "",
        BOM_LABEL: bom_link(lock, r_lock),
        "io.dbmirror.waivers": "; ".join(f"{waiver.rule}: {waiver.reason}" for waiver in waivers),
    }
    return [(name, value) for name, value in labels.items() if value]


def _digest(lock: Lock) -> str:
    try:
        return lock_digest(lock)
    except (PylockValidationError, ValueError) as error:
        raise RenderError(f"The lock cannot be written as {PYLOCK}: {error}.", remedy="Make the lock again.") from error
