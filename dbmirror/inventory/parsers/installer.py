"""INSTALLER of a .dist-info: the program that installed the distribution."""

from __future__ import annotations

from dbmirror.inventory.field_checks import fits, printable
from dbmirror.inventory.model import Text
from dbmirror.inventory.parsers.malformed import Malformed


def parse_installer(content: str) -> str | Malformed | None:
    """The first line that says something (`pip`, `uv`, `debian`); None where there is none."""
    line = next((line.strip() for line in content.split("\n") if line.strip()), None)
    if line is None or fits(line, Text):
        return line
    return Malformed(f"its INSTALLER {printable(line)!r} is not one line of text")
