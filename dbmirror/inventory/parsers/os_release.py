"""/etc/os-release, and the `release` file of a Java: `NAME=value` lines in a shell's quoting."""

from __future__ import annotations

import re

from dbmirror.inventory.field_checks import fits
from dbmirror.inventory.model import Text

_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)")
_ESCAPE = re.compile(r"\\(.)")


def parse_os_release(content: str) -> dict[str, str]:
    """The values by name; a line that is no assignment, or whose value is not one line of text, is passed over."""
    values: dict[str, str] = {}
    for line in content.split("\n"):
        match = _ASSIGNMENT.fullmatch(line.strip())
        if match is None:
            continue
        name, value = match.groups()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            quote, value = value[0], value[1:-1]
            value = value if quote == "'" else _ESCAPE.sub(r"\1", value)
        if fits(value, Text):
            values[name] = value
    return values
