"""Wheels packed again from the cluster's own files, for packages that no index has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from dbmirror.errors import DbmirrorError
from dbmirror.files import sha256_hex
from dbmirror.foreign_text.decoding import convert
from dbmirror.inventory.installed_files import CapturedFile
from dbmirror.inventory.model import Distribution
from dbmirror.lock.accounting import same_version
from dbmirror.lock.model import CapturedWheel, Missing
from dbmirror.lock.python.sources import Found
from dbmirror.mirror_folder.files import write_below
from dbmirror.mirror_folder.names import WHEELS

Capture = Callable[[Distribution], CapturedFile]
"""Reads a distribution's files off the cluster and packs them. Raises a DbmirrorError where that cannot be done."""


def captured(distribution: Distribution, capture: Capture | None, folder: Path) -> Found | Missing:
    """The distribution as a wheel in `wheels/` of `folder`, packed by `capture`; else why that cannot be."""
    if not distribution.capturable:
        return Missing(reason="it cannot be packed from the cluster's files, which no RECORD lists with hashes")
    if capture is None:
        return Missing(reason="it was not packed from the cluster's files ('capture' in dbmirror.toml allows that)")
    try:
        wheel = capture(distribution)
    except DbmirrorError as error:
        return Missing(reason=f"packing it from the cluster's files failed: {error.message.rstrip('.')}")
    try:
        name, version, _, _ = parse_wheel_filename(wheel.filename)
        path = f"{WHEELS}/{wheel.filename}"
        fields = {"source": "captured", "path": path, "sha256": sha256_hex(wheel.content)}
        source = convert(fields, CapturedWheel)
    except (InvalidWheelFilename, msgspec.ValidationError):
        return Missing(reason="its files on the cluster do not make a wheel with a valid name")
    if name != distribution.name or not same_version(str(version), distribution.version):
        return Missing(reason="its files on the cluster make a wheel of another name or version")
    write_below(folder, {path: wheel.content})
    return Found(source=source, reason="Packed from the files on the cluster, each checked against its RECORD.")
