"""Escapes control and misleading characters of foreign text before it is written or shown."""

from __future__ import annotations

import re
from typing import Final

OBEYED: Final = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and line feed, DEL, C1: a terminal obeys them
    r"\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # line separators, marks that change the direction of writing
    r"\ud800-\udfff"  # halves of surrogate pairs, which no UTF-8 file can hold
)
"""The characters that no text of ours may hold, as the inside of a character class of a pattern."""
LONGEST_LINE: Final = 2000
"""Characters of a reason in a record. Longer ones are a program's output, which belongs into a log."""
LONGEST_VALUE: Final = 400
"""Characters of a hostile value that a message shows."""

_OBEYED: Final = re.compile(f"[{OBEYED}]")
_SEQUENCE: Final = re.compile(r"\x1b(\[[0-?]{0,64}[ -/]{0,8}[@-~]|\][^\x07\x1b]{0,2000}(\x07|\x1b\\))")
"""What a program says to a terminal: colours, movements of the cursor, a window's title."""


def shown(text: str) -> str:
    """`text` without the characters of OBEYED; its lines and tabs stay."""
    return _OBEYED.sub("", text)


def plain(text: str) -> str:
    """What a program printed, without its colours and whatever else it said to the terminal alone."""
    return shown(_SEQUENCE.sub("", text))


def one_line(text: str, longest: int = LONGEST_LINE) -> str:
    """`text` as one line of at most `longest` characters: blanks stand for what is obeyed and for runs of space."""
    line = " ".join(_OBEYED.sub(" ", text).split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def last_line(text: str, longest: int = LONGEST_VALUE) -> str:
    """The last line of `text` that says something, as `one_line` gives it; empty where none does."""
    end = text.rstrip()
    return one_line(end[-4 * longest :].rpartition("\n")[2], longest)


def escaped(value: str) -> str:
    """`value` with each character that is not printable as its escape, so that it can be told from any other."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in value)
