"""R packages packed from the driver as they are installed there, for those that no repository has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from dbmirror.errors import DbmirrorError
from dbmirror.files import sha256_hex
from dbmirror.foreign_text.decoding import convert
from dbmirror.http_client.refused import Refused
from dbmirror.inventory.installed_files import CapturedFile
from dbmirror.inventory.model import Inventory, RPackage
from dbmirror.lock.model import Missing
from dbmirror.lock.r.binary import misfit
from dbmirror.lock.r.model import CapturedRPackage
from dbmirror.lock.r.package_archive import read_package_file
from dbmirror.lock.r.sources import RFound, RTarget
from dbmirror.lock.r.versions import minor
from dbmirror.mirror_folder.files import write_below
from dbmirror.mirror_folder.names import R_SOURCES

RCapture = Callable[[RPackage], CapturedFile]
"""Reads an installed package off the cluster and packs it. Raises a DbmirrorError where that cannot be done."""
CAPTURED = "Packed from the files on the cluster, where it is installed for the same R."


def captured(
    package: RPackage, capture: RCapture | None, *, inventory: Inventory, target: RTarget, folder: Path
) -> RFound | Missing:
    """The package as it is installed on the cluster, packed into r-sources/ of `folder`; else why that cannot be.

    Only what was built under an R of the same minor version fits, and compiled code only the same distribution.
    """
    if obstacle := _obstacle(package, inventory, target):
        return Missing(reason=f"it cannot be packed from the cluster's files, {obstacle}")
    if capture is None:
        return Missing(reason="it was not packed from the cluster's files ('capture' in dbmirror.toml allows that)")
    try:
        packed = capture(package)
        _, built = read_package_file(packed.content, name=package.name, version=package.version)
        if unfit := misfit(built, r_version=target.r_version, architecture=target.architecture):
            return Missing(reason=f"it cannot be packed from the cluster's files: {unfit}")
        path = f"{R_SOURCES}/{packed.filename}"
        fields = {"source": "captured", "path": path, "sha256": sha256_hex(packed.content)}
        source = convert(fields, CapturedRPackage)
    except DbmirrorError as error:
        return Missing(reason=f"packing it from the cluster's files failed: {error.message.rstrip('.')}")
    except (Refused, msgspec.ValidationError):
        return Missing(reason="its files on the cluster do not make a package of that name and version")
    write_below(folder, {path: packed.content})
    return RFound(source=source, reason=CAPTURED)


def _obstacle(package: RPackage, inventory: Inventory, target: RTarget) -> str | None:
    if package.built_under is None or minor(package.built_under) != minor(target.r_version):
        return f"which were built under {f'R {package.built_under}' if package.built_under else 'an unknown R'}"
    here = (inventory.os_id, inventory.os_version)
    if package.needs_compilation and here != (target.os_id, target.os_version):
        return f"whose compiled code is for {' '.join(here)}"
    return None
