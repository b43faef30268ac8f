"""Checks a value against its field's pattern, and writes a hostile one safely into a message."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from dbmirror.foreign_text.characters import LONGEST_VALUE, escaped
from dbmirror.foreign_text.decoding import convert
from dbmirror.inventory.model import Name

_SPELLING = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_SEPARATORS = re.compile(r"[-_.]+")


def fits(value: object, grammar: Any) -> bool:
    """Whether `value` is of the annotated type `grammar`."""
    try:
        convert(value, grammar)
    except msgspec.ValidationError:
        return False
    return True


def printable(value: str) -> str:
    """`value` on one line, every unprintable character as its escape, cut to LONGEST_VALUE characters."""
    whole = escaped(value)
    return whole if len(whole) <= LONGEST_VALUE else whole[: LONGEST_VALUE - 1] + "…"


def normalised(spelling: str) -> str | None:
    """A distribution's name in PEP 503 form; None where `spelling` is no name at all."""
    if not _SPELLING.fullmatch(spelling):
        return None
    name = _SEPARATORS.sub("-", spelling).lower()
    return name if fits(name, Name) else None
