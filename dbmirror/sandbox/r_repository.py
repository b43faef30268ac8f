"""A CRAN-like repository of small packages, made without R: current ones, an archive, and what is only there."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import tarfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from dbmirror.files import write_atomically
from dbmirror.inventory.parsers.headers import fields

CURRENT: Final = (
    "sandboxGreeting",
    "sandboxSums",
    "sandboxSodium",
    "sandboxBroken",
    "hwriter",
    "TeachingDemos",
    "htmltools",
    "Rserve",
)
"""The packages that the repository has at their newest version."""
ARCHIVED: Final = (("sandboxGreeting", "1.0.0"), ("sandboxOld", "0.9-2"), ("hwriterPlus", "1.0-3"))
"""Name and version of what stands in its archive: an older version of one, the only version of two."""
_INDEX_FIELDS: Final = (
    "Package",
    "Version",
    "Priority",
    "Depends",
    "Imports",
    "LinkingTo",
    "Suggests",
    "License",
    "MD5sum",
    "NeedsCompilation",
    "Built",
)
"""What `tools::write_PACKAGES` writes of each package, in its order."""
_EPOCH: Final = 1704067200
"""The time of every file in an archive: the same package gives the same bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePackage:
    """An R package's source."""

    name: str
    version: str
    files: Mapping[str, bytes]
    """Path in the package's folder to content; `DESCRIPTION` among them."""

    @property
    def filename(self) -> str:
        """`NAME_VERSION.tar.gz`."""
        return f"{self.name}_{self.version}.tar.gz"


def source_package(name: str, version: str | None = None) -> SourcePackage:
    """The sandbox's package `name`, at its own version or as if it were of another one. KeyError for an unknown one."""
    folder = files("dbmirror.sandbox").joinpath("r_packages", name)
    if not folder.is_dir():
        raise KeyError(name)
    found = dict(_tree(folder))
    description = found["DESCRIPTION"].decode()
    if version is None:
        version = dict(fields(description))["Version"]
    found["DESCRIPTION"] = re.sub(r"(?m)^Version: .*$", f"Version: {version}", description).encode()
    return SourcePackage(name=name, version=version, files=found)


def source_archive(package: SourcePackage) -> bytes:
    """The package as a `.tar.gz` that `R CMD INSTALL` takes."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in sorted(package.files):
            entry = tarfile.TarInfo(f"{package.name}/{path}")
            entry.size, entry.mtime = len(package.files[path]), _EPOCH
            # R runs a package's configure script as it is.
            entry.mode = 0o755 if path in {"configure", "cleanup"} else 0o644
            archive.addfile(entry, io.BytesIO(package.files[path]))
    return gzip.compress(stream.getvalue(), mtime=0)


def make_repository(
    folder: Path,
    *,
    current: Iterable[SourcePackage] | None = None,
    archived: Iterable[SourcePackage] | None = None,
) -> None:
    """Write a repository below `folder`: `src/contrib` with `current`, its PACKAGES, and the Archive of `archived`.

    Without them it has the sandbox's own CURRENT and ARCHIVED packages.
    """
    if current is None:
        current = [source_package(name) for name in CURRENT]
    if archived is None:
        archived = [source_package(name, version) for name, version in ARCHIVED]
    contrib = folder / "src" / "contrib"
    records = []
    for package in sorted(current, key=lambda each: each.name):
        content = source_archive(package)
        write_atomically(contrib / package.filename, content)
        records.append(_record(package, content))
    for package in archived:
        write_atomically(contrib / "Archive" / package.name / package.filename, source_archive(package))
    index = "\n".join(records).encode()
    write_atomically(contrib / "PACKAGES", index)
    write_atomically(contrib / "PACKAGES.gz", gzip.compress(index, mtime=0))


@contextmanager
def serve(folder: Path, *, address: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve `folder` over HTTP at `address`; gives the repository's URL, and ends the server on leaving."""
    server = ThreadingHTTPServer((address, port), partial(_Quiet, directory=str(folder)))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://{address}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing: what was asked for is the client's business."""


def _record(package: SourcePackage, content: bytes) -> str:
    """The package's paragraph of PACKAGES."""
    known = dict(fields(package.files["DESCRIPTION"].decode()))
    known["MD5sum"] = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return "".join(f"{field}: {known[field]}\n" for field in _INDEX_FIELDS if field in known)


def _tree(folder: Traversable, above: str = "") -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        path = f"{above}{entry.name}"
        if entry.is_dir():
            yield from _tree(entry, f"{path}/")
        else:
            yield path, entry.read_bytes()
