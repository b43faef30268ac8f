"""What says which packages an image has, out of the archive of its file system: read here, nothing of it is run."""

from __future__ import annotations

import hashlib
import re
import sys
import tarfile
from collections.abc import Container, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final, cast

from dbmirror.hosts.local import LocalHost
from dbmirror.inventory.assemble import assemble
from dbmirror.inventory.collector_answer import decode
from dbmirror.inventory.errors import NoPythonFound, PayloadDamaged
from dbmirror.inventory.model import Inventory
from dbmirror.inventory.sent.files import inside
from dbmirror.inventory.sent_programs import run_program

ENVIRONMENT: Final = "/databricks/python3"
READ: Final = (
    *("/databricks", "/usr/local/lib", "/usr/lib/python3", "/usr/lib/R", "/opt/R", "/var/lib/dpkg"),
    *("/etc/os-release", "/usr/lib/os-release", "/usr/share/dbmirror"),
)
"""The places of an image that are read: all where an environment of Databricks, Debian or R has packages."""
LARGEST_FILE: Final = 64 << 20
"""Bytes of one file that is kept: dpkg's status of a full system has 3 MB, RECORD of the largest wheel some 2 MB."""
LARGEST: Final = 1 << 30
"""Bytes of all files that are kept, some 60 MB of a machine-learning image: they lie in a temporary folder."""
MOST_NAMES: Final = 3_000_000
"""Names in an image: a machine-learning image has some 200,000."""
_PIECE: Final = 1 << 20
_KEPT: Final = re.compile(
    r"(.*/)?("
    r"[^/]+\.(dist-info|egg-info)/(METADATA|PKG-INFO|INSTALLER|WHEEL|RECORD|direct_url\.json|requires\.txt|top_level\.txt)"
    r"|[^/]+\.egg/EGG-INFO/(PKG-INFO|requires\.txt)"
    r"|[^/]+\.(egg-info|egg-link|pth)"
    r"|pyvenv\.cfg|DESCRIPTION|release"
    r")"
    r"|var/lib/dpkg/(status|status\.d/[^/]+|info/[^/]+\.list)"
    r"|(etc|usr/lib)/os-release|databricks/DBR_VERSION|databricks/spark/VERSION"
    r"|usr/share/dbmirror/r-failed\.tsv"
)
_NAME_ALONE: Final = re.compile(r"databricks/jars/[^/]+\.jar|(.*/)?bin/(java|python[0-9.]*)")
"""Files that count by their name: what is in them is not kept."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The part of an image's files that was kept, in a folder of this machine."""

    folder: Path
    hashes: Mapping[str, str]
    """SHA-256 by absolute path of the files that were asked for; without those that are not there, or are links."""

    def place(self, path: str) -> Path:
        """Where the image's absolute `path` lies in the folder, without following a link out of it.

        Raises OSError where its links go round in a ring.
        """
        return Path(inside(str(self.folder), path))

    def text(self, path: str) -> str:
        """The content of the kept file at the absolute `path`; empty where there is none."""
        with suppress(OSError):
            place = self.place(path)
            if place.is_file():
                return place.read_text("utf-8", "replace")
        return ""


def unpack(archives: Iterable[tuple[str, IO[bytes]]], folder: Path, *, hashed: Container[str] = ()) -> Unpacked:
    """Keep of `archives` in the empty `folder` what an inventory reads.

    Each is the tar of an absolute path, whose names start from the folder that the path lies in. `hashed` are absolute
    paths whose SHA-256 is wanted besides. Links are kept as links, and made last, so that nothing is written through
    one. Raises PayloadDamaged where an archive is broken, or has more than an image has.
    """
    kept = _Kept(folder, hashed)
    try:
        for path, archive in archives:
            above = path.rpartition("/")[0]
            with tarfile.open(fileobj=archive, mode="r|", bufsize=_PIECE) as members:
                for member in members:
                    cast("Any", members).members.clear()  # it would keep every name of the image
                    kept.take(members, member, above)
        kept.make_links()
    except (tarfile.TarError, EOFError) as error:
        raise PayloadDamaged(f"The archive of the image's files is damaged: {error}.") from error
    except OSError as error:
        raise PayloadDamaged(f"The image's files cannot be unpacked: {error.strerror or error}.") from error
    return Unpacked(folder, {path: sha256 for path, sha256 in kept.hashes.items() if path in hashed})


class _Kept:
    """What was kept so far."""

    def __init__(self, folder: Path, hashed: Container[str]) -> None:
        self._folder, self._hashed = folder, hashed
        self.hashes: dict[str, str] = {}
        self._links: dict[str, str] = {}
        self._room, self._names = LARGEST, 0

    def take(self, members: tarfile.TarFile, member: tarfile.TarInfo, above: str) -> None:
        """Keep of the next `member`, from the folder `above`, what is wanted."""
        self._names += 1
        if self._names > MOST_NAMES or self._room < 0:
            raise PayloadDamaged(f"The image has more than {MOST_NAMES} files, or {LARGEST >> 20} MiB of lists.")
        path = _path(f"{above}/{member.name}")
        if path is None:
            return
        if member.issym():
            self._links[path] = member.linkname
        elif member.islnk():
            # Another name of a file that came before, in another environment.
            origin = _path(f"{above}/{member.linkname}") or ""
            if f"/{origin}" in self.hashes:
                self.hashes[f"/{path}"] = self.hashes[f"/{origin}"]
            if _KEPT.fullmatch(path) and (self._folder / origin).is_file():
                self._write(path, (self._folder / origin).read_bytes())
        elif member.isfile():
            self._file(members, member, path)

    def make_links(self) -> None:
        """Make the links, now that nothing is written any more."""
        for path, target in self._links.items():
            under_a_link = any(str(parent) in self._links for parent in PurePosixPath(path).parents)
            if not under_a_link and not (self._folder / path).exists():
                (self._folder / path).parent.mkdir(parents=True, exist_ok=True)
                (self._folder / path).symlink_to(target)

    def _file(self, members: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
        kept = _KEPT.fullmatch(path) is not None and member.size <= LARGEST_FILE
        wanted = f"/{path}" in self._hashed or "-packages/" in path
        if _NAME_ALONE.fullmatch(path):
            self._write(path, b"")
        if not kept and not wanted:
            return
        digest, content = hashlib.sha256(), bytearray()
        stream = members.extractfile(member)
        while stream is not None and (piece := stream.read(_PIECE)):
            digest.update(piece)
            if kept:
                content += piece
        if wanted:
            self.hashes[f"/{path}"] = digest.hexdigest()
        if kept:
            self._write(path, bytes(content))

    def _write(self, path: str, content: bytes) -> None:
        self._room -= len(content)
        place = self._folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


def collect_unpacked(unpacked: Unpacked, *, name: str, timeout: float = 120.0) -> Inventory:
    """The inventory of the image `name` whose files were unpacked, by the collector that runs on drivers, too.

    What only a running host can tell is this machine's (architecture) or left out (variables, C library).
    Raises NoPythonFound where the image has no Databricks environment.
    """
    if not unpacked.place(ENVIRONMENT).is_dir():
        raise NoPythonFound(
            f"{name} has no Python environment at {ENVIRONMENT}.",
            remedy="Name an image that dbmirror built. What this one has there: "
            f"docker run --rm --network=none --entrypoint ls {name} /databricks",
        )
    arguments = ["best", str(unpacked.folder)]
    payload = run_program(LocalHost(), "collector", arguments, interpreter=sys.executable, timeout=timeout)
    return assemble(decode(payload, host=name), host=name)


def _path(name: str) -> str | None:
    """The name of an archive's member without a slash in front; None where it does not lie below the root."""
    path = PurePosixPath(name.removeprefix("./").lstrip("/"))
    return None if ".." in path.parts or not path.parts else str(path)
