"""Fetch an installed R package from a host and pack it as R's binary packages are: equal files give equal bytes."""

from __future__ import annotations

import gzip
import io
import re
import tarfile
from collections.abc import Iterable, Mapping

from dbmirror.hosts.interface import Host
from dbmirror.inventory.errors import CaptureError
from dbmirror.inventory.field_checks import printable
from dbmirror.inventory.installed_files import CapturedFile, InstalledFile, fetch_installed
from dbmirror.inventory.model import RPackage
from dbmirror.inventory.parsers.description import parse_description
from dbmirror.inventory.parsers.malformed import Malformed

_EPOCH = 1704067200
"""The time of every file in an archive: 2024, so that no tool takes it for one that was never written."""


def capture_r(
    host: Host,
    package: RPackage,
    *,
    architecture: str = "x86_64",
    interpreter: str | None = None,
    timeout: float = 600.0,
) -> CapturedFile:
    """What `host` has installed of `package`, as `NAME_VERSION_R_ARCHITECTURE-pc-linux-gnu.tar.gz`; one exec.

    `timeout` is in seconds. Raises CaptureError with the reason where that cannot be (the folder is gone, was changed
    since the inventory, holds links), InventoryError and HostError where the host fails.
    """
    what = f"The R package {package.name} {package.version}"
    arguments = [package.library, package.name]
    _, sent = fetch_installed(host, "r_capturer", arguments, what=what, interpreter=interpreter, timeout=timeout)
    files = _checked(what, sent)
    described = files["DESCRIPTION"].content if "DESCRIPTION" in files else b""
    found = parse_description(described.decode("utf-8", "replace"), library="/")
    if isinstance(found, Malformed) or (found.name, found.version) != (package.name, package.version):
        raise CaptureError(
            f"{what} cannot be captured: {package.library} does not have it any more.",
            remedy="Take the snapshot again.",
        )
    filename = f"{package.name}_{package.version}_R_{architecture}-pc-linux-gnu.tar.gz"
    return CapturedFile(filename=filename, content=_pack(package.name, files))


def _checked(what: str, sent: Iterable[tuple[str, InstalledFile]]) -> dict[str, InstalledFile]:
    """The files by path below the package's folder, each path one that stays in it."""
    files = {}
    for path, file in sent:
        parts = path.split("/")
        inside = all(part and not re.fullmatch(r"\.{1,2}", part) for part in parts)
        if not inside or not path.isprintable() or "\\" in path:
            raise CaptureError(f"{what} cannot be captured: {printable(path)} is no path inside of it.")
        files[path] = file
    return files


def _pack(name: str, files: Mapping[str, InstalledFile]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in sorted(files):
            entry = tarfile.TarInfo(f"{name}/{path}")
            entry.size, entry.mtime = len(files[path].content), _EPOCH
            entry.mode = 0o755 if files[path].mode & 0o111 else 0o644
            archive.addfile(entry, io.BytesIO(files[path].content))
    # Stored, not compressed: the bytes of a compression depend on the library that does it.
    return gzip.compress(stream.getvalue(), compresslevel=0, mtime=0)
