"""WHEEL of a .dist-info: the tags of the wheel that it was installed from."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dbmirror.inventory.field_checks import printable
from dbmirror.inventory.parsers.headers import fields
from dbmirror.inventory.parsers.malformed import Malformed

_TAG = re.compile(r"[A-Za-z0-9_.]{1,200}-[A-Za-z0-9_.]{1,200}-[A-Za-z0-9_.]{1,200}")
_BUILD = re.compile(r"[0-9][A-Za-z0-9_.]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """The fields of WHEEL that matter here."""

    tags: tuple[str, ...]
    build: str | None


def parse_wheel(content: str) -> Wheel | Malformed:
    """Tags (in their order) and build number that `content` states."""
    tags: list[str] = []
    build = None
    for spelling, value in fields(content):
        field = spelling.lower()
        if field == "tag":
            if not _TAG.fullmatch(value):
                return Malformed(f"its WHEEL has a tag that is none: {printable(value)!r}")
            tags.append(value)
        elif field == "build" and value:
            if not _BUILD.fullmatch(value):
                return Malformed(f"its WHEEL has a build number that is none: {printable(value)!r}")
            build = value
    return Wheel(tags=tuple(dict.fromkeys(tags)), build=build)
