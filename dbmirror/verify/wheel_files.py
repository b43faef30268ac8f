"""The files that the locked wheels bring, and those of them that an image has not as they are."""

from __future__ import annotations

import base64
import binascii
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from dbmirror.foreign_text.archive_faults import ARCHIVE_FAULTS
from dbmirror.inventory.parsers.malformed import Malformed
from dbmirror.inventory.parsers.record import RecordRow, parse_record
from dbmirror.inventory.unpacked import ENVIRONMENT
from dbmirror.lock.model import CapturedWheel, IndexFile, Lock, LockedPackage, UrlFile

LARGEST_RECORD: Final = 64 << 20
"""Bytes that a RECORD may unpack to; the largest known has some 2 MB."""
_INSTALLERS: Final = frozenset({"INSTALLER", "REQUESTED", "RECORD", "direct_url.json"})
"""Files that an installer writes; a wheel that was packed from installed files may have them."""
WheelOf = Callable[[LockedPackage], Path | IO[bytes] | None]
"""The locked file of a package on this machine, its hash checked; None where it is not here."""


@dataclass(slots=True)
class WheelFiles:
    """What the image must hold: by absolute path the SHA-256 of each file that wheels bring there, and whose it is.

    Several wheels may bring one path; the last one that is installed wins, and any of them is as locked.
    """

    hashes: dict[str, set[str]] = field(default_factory=dict)
    owners: dict[str, set[str]] = field(default_factory=dict)

    def __contains__(self, path: object) -> bool:
        return path in self.hashes

    def add(self, path: str, sha256: str, owner: str) -> None:
        """One more file."""
        self.hashes.setdefault(path, set()).add(sha256)
        self.owners.setdefault(owner, set()).add(path)

    def changed(self, found: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
        """By package the paths, sorted, that are not in `found` (path to SHA-256) with one of their hashes."""
        other = {path for path, hashes in self.hashes.items() if found.get(path) not in hashes}
        return {name: tuple(sorted(paths & other)) for name, paths in self.owners.items() if paths & other}


def wheel_files(lock: Lock, wheel_of: WheelOf) -> WheelFiles:
    """The files of all wheels of `lock` that this machine has, but for what an installer rewrites: scripts, RECORD."""
    libraries = f"{ENVIRONMENT}/lib/python{'.'.join(lock.target.python.split('.')[:2])}/site-packages"
    files = WheelFiles()
    for package in lock.packages:
        if not isinstance(package.source, IndexFile | UrlFile | CapturedWheel) or not package.source.is_wheel:
            continue
        wheel = wheel_of(package)
        for row in _rows(wheel) if wheel is not None else ():
            place = _place(row.path, libraries)
            sha256 = _hex(row.digest)
            if (
                place is not None
                and place.rpartition("/")[2] not in _INSTALLERS
                and row.algorithm == "sha256"
                and sha256
            ):
                files.add(place, sha256, package.name)
    return files


def _rows(wheel: Path | IO[bytes]) -> Iterable[RecordRow]:
    try:
        with zipfile.ZipFile(wheel) as archive:
            name = next((n for n in archive.namelist() if n.count("/") == 1 and n.endswith(".dist-info/RECORD")), None)
            if name is None or archive.getinfo(name).file_size > LARGEST_RECORD:
                return ()
            rows = parse_record(archive.read(name).decode("utf-8", "replace"))
    except ARCHIVE_FAULTS:
        return ()
    return () if isinstance(rows, Malformed) else rows


def _place(path: str, libraries: str) -> str | None:
    """Where an installer puts the wheel's file `path`; None for what it rewrites, or puts where its settings say."""
    top, _, rest = path.partition("/")
    if not top.endswith(".data"):
        return f"{libraries}/{path}"
    scheme, _, inner = rest.partition("/")
    return {"purelib": f"{libraries}/{inner}", "platlib": f"{libraries}/{inner}", "data": f"{ENVIRONMENT}/{inner}"}.get(
        scheme
    )


def _hex(digest: str) -> str:
    try:
        return base64.urlsafe_b64decode(digest + "=" * (-len(digest) % 4)).hex()
    except (ValueError, binascii.Error):
        return ""
