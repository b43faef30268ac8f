"""The identity of a lock's SBOM, known before there is an image: the image's label points to it.

The document names the image that it describes, so that no label of that image can hold the document's digest. Both
derive the same serial number from the lock instead, which says what is in the image.
"""

from __future__ import annotations

import uuid
from typing import Final

from dbmirror.files import digest_of
from dbmirror.lock.model import Lock
from dbmirror.lock.r.model import RLock

NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "urn:dbmirror:sbom")
LABEL: Final = "io.dbmirror.sbom"


def serial_number(lock: Lock, r_lock: RLock | None = None) -> uuid.UUID:
    """The serial number of the SBOM of a lock: the same lock has always the same one.

    `r_lock` is R's half where the image has R, else None: what an image for Python alone is made from says nothing
    of R, and neither does its label.
    """
    halves = [digest_of(lock)] if r_lock is None else [digest_of(lock), digest_of(r_lock)]
    return uuid.uuid5(NAMESPACE, " ".join(halves))


def bom_link(lock: Lock, r_lock: RLock | None = None) -> str:
    """`urn:cdx:SERIAL/1`: how CycloneDX points from elsewhere to a document; the value of the image's LABEL."""
    return f"urn:cdx:{serial_number(lock, r_lock)}/1"
