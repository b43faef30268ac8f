"""requires.txt of an .egg-info: what the distribution requires, in sections per extra and marker."""

from __future__ import annotations

from dbmirror.foreign_text.clean_urls import clean_urls_in
from dbmirror.inventory.field_checks import fits, printable
from dbmirror.inventory.model import Text
from dbmirror.inventory.parsers.malformed import Malformed


def parse_requires_txt(content: str) -> tuple[str, ...] | Malformed:
    """The lines of `content` as Requires-Dist writes them: `[e:marker]` becomes `; (marker) and extra == "e"`."""
    requires: list[str] = []
    condition = ""
    for line in content.split("\n"):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if stripped.startswith("[") and stripped.endswith("]"):
            extra, _, marker = stripped[1:-1].partition(":")
            condition = _condition(extra.strip(), marker.strip())
            continue
        # A URL swallows a semicolon that follows it without a space.
        separator = " ; " if "@" in stripped else "; "
        requirement = clean_urls_in(stripped) + (separator + condition if condition else "")
        if not fits(requirement, Text):
            return Malformed(f"its requirement {printable(stripped)!r} is not one line of text")
        requires.append(requirement)
    return tuple(requires)


def _condition(extra: str, marker: str) -> str:
    if extra and marker:
        return f'({marker}) and extra == "{extra}"'
    return f'extra == "{extra}"' if extra else marker
