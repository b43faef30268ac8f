"""METADATA of a .dist-info, PKG-INFO of an .egg-info: name, version, and what the distribution requires."""

from __future__ import annotations

from dataclasses import dataclass

from dbmirror.foreign_text.clean_urls import clean_urls_in
from dbmirror.inventory.field_checks import fits, normalised, printable
from dbmirror.inventory.model import Text, Version
from dbmirror.inventory.parsers.headers import fields
from dbmirror.inventory.parsers.malformed import Malformed


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """The header fields that matter here."""

    name: str
    """PEP 503 form."""
    spelling: str
    version: str
    requires: tuple[str, ...]
    requires_python: str | None


def parse_metadata(content: str) -> Metadata | Malformed:
    """The header of `content` (core metadata of any version); of a field given twice the first counts."""
    first: dict[str, str] = {}
    requires: list[str] = []
    for field, value in fields(content):
        if field.lower() == "requires-dist":
            requires.append(clean_urls_in(value))
        else:
            first.setdefault(field.lower(), value)
    spelling = first.get("name", "")
    version = first.get("version", "")
    requires_python = first.get("requires-python") or None
    name = normalised(spelling)
    if not spelling:
        return Malformed("its metadata has no name")
    if name is None:
        return Malformed(f"its name {printable(spelling)!r} is not a valid one")
    if not version:
        return Malformed("its metadata has no version")
    if not fits(version, Version):
        return Malformed(f"its version {printable(version)!r} is not a valid one")
    for value in (requires_python or "", *requires):
        if not fits(value, Text):
            return Malformed(f"its requirement {printable(value)!r} is not one line of text")
    return Metadata(
        name=name, spelling=spelling, version=version, requires=tuple(requires), requires_python=requires_python
    )
