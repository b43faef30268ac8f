"""PACKAGES: what a CRAN-like repository says it has."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from dbmirror.http_client.refused import Cause, Refused
from dbmirror.inventory.field_checks import fits
from dbmirror.inventory.model import RName, RPackage, RVersion, Text
from dbmirror.inventory.parsers.description import parse_description
from dbmirror.inventory.parsers.headers import fields
from dbmirror.inventory.parsers.malformed import Malformed
from dbmirror.lock.r.versions import version_key

LARGEST = 64 << 20
"""Bytes, before and after decompression: CRAN's list of some 22,000 packages has 8 MB."""
MOST_PARAGRAPHS = 500_000
"""Of a list: one of two bytes each takes a hundred times its size in memory, and minutes."""
Md5 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z")]
_BETWEEN = re.compile(r"\n[ \t\r]*+\n")
_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One paragraph of PACKAGES."""

    name: RName
    version: RVersion
    path: Text = ""
    """The folder below src/contrib that its file lies in; mostly none."""
    md5: Md5 | None = None
    depends: tuple[RName, ...] = ()
    """Depends, Imports and LinkingTo, without R itself."""
    needs_compilation: bool = False

    @property
    def filename(self) -> str:
        """`NAME_VERSION.tar.gz`."""
        return f"{self.name}_{self.version}.tar.gz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Packages:
    """A whole PACKAGES file."""

    listed: Mapping[tuple[str, str], Listed]
    """By name and version."""
    newest: Mapping[str, Listed]
    """By name: of several versions the highest."""


def parse_packages(content: bytes) -> Packages:
    """What PACKAGES (or PACKAGES.gz, by its first bytes) lists; a paragraph that is not valid is passed over.

    Raises Refused where it is no such file.
    """
    text = _uncompressed(content).decode("utf-8", "replace")
    listed: dict[tuple[str, str], Listed] = {}
    newest: dict[str, Listed] = {}
    for number, paragraph in enumerate(_paragraphs(text)):
        if number >= MOST_PARAGRAPHS:
            raise Refused("answered with a list of too many packages", cause=Cause.TOO_LARGE)
        found = _parse(paragraph.strip("\r\n"))
        if found is None:
            continue
        listed.setdefault((found.name, found.version), found)
        known = newest.get(found.name)
        if known is None or version_key(found.version) > version_key(known.version):
            newest[found.name] = found
    if not listed and text.strip():
        raise Refused("answered with something that is no list of packages", cause=Cause.GARBAGE)
    return Packages(listed=listed, newest=newest)


def _paragraphs(text: str) -> Iterator[str]:
    place = 0
    for end in _BETWEEN.finditer(text):
        yield text[place : end.start()]
        place = end.end()
    yield text[place:]


def described(text: str) -> RPackage | Malformed:
    """What the DESCRIPTION of a package file says, read as that of an installed package is."""
    return parse_description(text, library="/")


def _parse(paragraph: str) -> Listed | None:
    if not paragraph:
        return None
    package = described(paragraph)
    if isinstance(package, Malformed):
        return None
    values = {name.lower(): value for name, value in fields(paragraph)}
    path = values.get("path", "")
    md5 = values.get("md5sum", "").lower()
    if path and not _FOLDER.fullmatch(path):
        return None
    return Listed(
        name=package.name,
        version=package.version,
        path=path,
        md5=md5 if fits(md5, Md5) else None,
        depends=package.depends,
        needs_compilation=package.needs_compilation,
    )


def _uncompressed(content: bytes) -> bytes:
    if not content.startswith(b"\x1f\x8b"):
        return content
    unpacker = zlib.decompressobj(wbits=31)
    try:
        text = unpacker.decompress(content, LARGEST)
    except zlib.error as error:
        raise Refused("answered with a damaged list of packages", cause=Cause.GARBAGE) from error
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise Refused("answered with a list of packages that is cut short or larger than 64 MiB", cause=Cause.GARBAGE)
    return text
