"""Fetch an installed R package from a host and pack it as R's binary packages are: equal files give equal bytes."""

from __future__ import annotations

import gzip
import io
import re
import tarfile

import msgspec

from dbmirror.foreign_text.decoding import decode_json
from dbmirror.hosts.interface import Host
from dbmirror.inventory.capture_python import LARGEST_CAPTURE
from dbmirror.inventory.errors import CaptureError, PayloadDamaged
from dbmirror.inventory.field_checks import printable
from dbmirror.inventory.model import RPackage
from dbmirror.inventory.pack_wheel import CapturedFile
from dbmirror.inventory.parsers.description import parse_description
from dbmirror.inventory.parsers.malformed import Malformed
from dbmirror.inventory.sent_programs import run_program

_EPOCH = 1704067200
"""The time of every file in an archive: 2024, so that no tool takes it for one that was never written."""


class _Header(msgspec.Struct):
    error: str = ""
    files: list[tuple[str, int, int]] = []


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
    what = f"{package.name} {package.version}"
    arguments = [package.library, package.name]
    payload = run_program(
        host, "r_capturer", arguments, interpreter=interpreter, timeout=timeout, limit=LARGEST_CAPTURE
    )
    line, _, content = payload.partition(b"\n")
    try:
        header = decode_json(line, _Header)
    except msgspec.DecodeError as error:
        raise PayloadDamaged(f"The answer of {host.name} does not have the expected form: {error}.") from error
    if header.error:
        raise CaptureError(f"The R package {what} cannot be captured: {printable(header.error)}.")
    files = _files(what, header, content)
    found = parse_description(files.get("DESCRIPTION", (b"", 0))[0].decode("utf-8", "replace"), library="/")
    if isinstance(found, Malformed) or (found.name, found.version) != (package.name, package.version):
        raise CaptureError(
            f"The R package {what} cannot be captured: {package.library} does not have it any more.",
            remedy="Take the snapshot again.",
        )
    filename = f"{package.name}_{package.version}_R_{architecture}-pc-linux-gnu.tar.gz"
    return CapturedFile(filename=filename, content=_pack(package.name, files))


def _files(what: str, header: _Header, content: bytes) -> dict[str, tuple[bytes, int]]:
    """Content and permission bits by path below the package's folder, each path one that stays in it."""
    files: dict[str, tuple[bytes, int]] = {}
    position = 0
    for path, size, mode in header.files:
        parts = path.split("/")
        inside = all(part and not re.fullmatch(r"\.{1,2}", part) for part in parts)
        if not inside or not path.isprintable() or "\\" in path:
            raise CaptureError(f"The R package {what} cannot be captured: {printable(path)} is no path inside of it.")
        files[path] = (content[position : position + size], mode)
        position += size
    return files


def _pack(name: str, files: dict[str, tuple[bytes, int]]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in sorted(files):
            content, mode = files[path]
            entry = tarfile.TarInfo(f"{name}/{path}")
            entry.size, entry.mtime = len(content), _EPOCH
            entry.mode = 0o755 if mode & 0o111 else 0o644
            archive.addfile(entry, io.BytesIO(content))
    # Stored, not compressed: the bytes of a compression depend on the library that does it.
    return gzip.compress(stream.getvalue(), compresslevel=0, mtime=0)
