"""Fetch an installed distribution from a host and pack it into a wheel again, each file checked against its RECORD."""

from __future__ import annotations

import base64
import hashlib
import posixpath
from collections.abc import Mapping

from dbmirror.hosts.interface import Host
from dbmirror.inventory.errors import CaptureError, PayloadDamaged
from dbmirror.inventory.field_checks import printable
from dbmirror.inventory.installed_files import CapturedFile, Header, InstalledFile, fetch_installed
from dbmirror.inventory.model import Distribution
from dbmirror.inventory.pack_wheel import environment_root, pack_wheel
from dbmirror.inventory.parsers.malformed import Malformed
from dbmirror.inventory.parsers.record import RecordRow, parse_record

_ALGORITHMS = frozenset({"sha256", "sha384", "sha512"})


def capture(
    host: Host, distribution: Distribution, *, interpreter: str | None = None, timeout: float = 600.0
) -> CapturedFile:
    """A wheel made of what `host` has installed of `distribution`; one exec, `timeout` in seconds.

    Raises CaptureError with the reason where that cannot be (no RECORD, a file that was edited, is missing, or lies
    outside the environment, an editable installation), InventoryError and HostError where the host fails.
    """
    what = f"{distribution.name} {distribution.version}"
    if distribution.direct_url is not None and distribution.direct_url.editable:
        raise CaptureError(
            f"{what} cannot be captured: it is an editable installation, its files lie in a source folder.",
            remedy="Install it on the cluster as a wheel.",
        )
    if not distribution.capturable:
        raise CaptureError(f"{what} cannot be captured: it has no WHEEL, or no RECORD with a hash of each file.")
    arguments = [distribution.location, distribution.name, distribution.version]
    header, sent = fetch_installed(host, "capturer", arguments, what=what, interpreter=interpreter, timeout=timeout)
    if "/" in header.folder or not header.folder.endswith(".dist-info"):
        raise PayloadDamaged(f"The answer of {host.name} names no .dist-info folder.")
    files = _checked(what, distribution.location, header, dict(sent))
    return pack_wheel(folder=header.folder, location=distribution.location, files=files)


def _checked(what: str, location: str, header: Header, sent: Mapping[str, InstalledFile]) -> dict[str, InstalledFile]:
    """The files by absolute path, each with the hash that RECORD states and each where it may be."""
    rows = parse_record(header.record)
    if isinstance(rows, Malformed):
        raise CaptureError(f"{what} cannot be captured: {rows.reason}.")
    files: dict[str, InstalledFile] = {}
    root = environment_root(location)
    for row in rows:
        if not row.algorithm:
            if _may_lack_a_hash(row.path, header.folder):
                continue
            raise CaptureError(f"{what} cannot be captured: its RECORD has no hash of {printable(row.path)}.")
        absolute = posixpath.normpath(posixpath.join(location, row.path))
        if not absolute.startswith(f"{root}/") or not row.path.isprintable() or "\\" in row.path:
            raise CaptureError(f"{what} cannot be captured: {printable(row.path)} is outside the environment.")
        file = sent.get(row.path)
        if file is None or not _has_hash(file.content, row):
            raise CaptureError(
                f"{what} cannot be captured: {printable(row.path)} is not the file that its RECORD states.",
                remedy="It was edited on the cluster; install the package there again.",
            )
        files[absolute] = file
    return files


def _may_lack_a_hash(path: str, folder: str) -> bool:
    return path.endswith(".pyc") or path in {
        f"{folder}/{name}" for name in ("RECORD", "RECORD.jws", "RECORD.p7s", "INSTALLER", "REQUESTED")
    }


def _has_hash(content: bytes, row: RecordRow) -> bool:
    if row.algorithm not in _ALGORITHMS:
        return False
    digest = base64.urlsafe_b64encode(hashlib.new(row.algorithm, content).digest()).rstrip(b"=").decode("ascii")
    return digest == row.digest.rstrip("=")
