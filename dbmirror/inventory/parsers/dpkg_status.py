"""/var/lib/dpkg/status: the Debian packages that are installed."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from dbmirror.foreign_text.decoding import convert
from dbmirror.inventory.field_checks import printable
from dbmirror.inventory.model import DebianPackage
from dbmirror.inventory.parsers.headers import fields
from dbmirror.inventory.parsers.malformed import Malformed


def parse_dpkg_status(content: str) -> Iterator[DebianPackage | Malformed]:
    """Each stanza of a package that is fully installed (`install ok installed`), in order.

    A stanza without Status, as the files of a distroless image have it, counts as installed.
    """
    for stanza in content.replace("\r\n", "\n").split("\n\n"):
        values: dict[str, str] = {}
        for field, value in fields(stanza.lstrip("\n")):
            values.setdefault(field.lower(), value)
        if not values or values.get("status", "install ok installed").split()[-1:] != ["installed"]:
            continue
        try:
            yield convert(
                {
                    "name": values.get("package", ""),
                    "version": values.get("version", ""),
                    "architecture": values.get("architecture", ""),
                },
                DebianPackage,
            )
        except msgspec.ValidationError:
            named = printable(values.get("package", ""))
            yield Malformed(f"the stanza of {named!r} has a name or version that is not valid")
