"""No text of a stranger commands a terminal, breaks a line, or makes a file that cannot be read."""

from __future__ import annotations

import json
import re
from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmirror.files import canonical_json
from dbmirror.foreign_text.characters import OBEYED, escaped, last_line, one_line, shown
from dbmirror.inventory.model import Text

CLASS = re.compile(f"[{OBEYED}]")
MARKS = ["\u061c", "\u200f", "\u2028", "\u2029", "\u202e", "\u2066"]
ANY = st.text(st.characters(), max_size=60) | st.text(
    st.sampled_from([*map(chr, range(160)), *MARKS, "\ud800", "é", "x"]), max_size=60
)


@pytest.mark.parametrize("character", ["\0", "\x08", "\r", "\x1b", "\x7f", "\x80", "\x85", "\x9b", "\x9f", *MARKS])
def test_both_ranges_of_control_characters_and_marks_of_direction_are_obeyed(character: str) -> None:
    assert shown(f"a{character}b") == "ab"
    assert one_line(f"a{character}b") == "a b"
    assert escaped(character) != character


def test_lines_and_tabs_are_shown() -> None:
    assert shown("a\tb\nc") == "a\tb\nc"


@given(ANY)
def test_what_is_shown_can_be_written_and_holds_nothing_obeyed(text: str) -> None:
    assert CLASS.search(shown(text)) is None
    shown(text).encode()
    line = one_line(text, 40)
    assert len(line) <= 40
    assert len(line.splitlines()) <= 1
    msgspec.convert(line, Text)


@given(ANY)
def test_a_document_holds_no_raw_control_character_and_reads_back_the_same(text: str) -> None:
    document = canonical_json({"text": text, text: [text]})
    assert CLASS.search(document.decode()) is None
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert json.loads(document) == {"text": whole, whole: [whole]}
    assert msgspec.json.decode(document) == json.loads(document)


@given(ANY)
def test_a_reason_that_a_record_holds_can_be_read_by_every_command(text: str) -> None:
    """Once `\\x80` in an index's answer made a fates.json that no command could read."""
    written = canonical_json({"reason": one_line(text)})
    msgspec.json.decode(written, type=dict[str, Annotated[str, msgspec.Meta(pattern=rf"\A[^\n{OBEYED}]*\Z")]])


def test_the_last_line_is_the_last_that_says_something() -> None:
    assert last_line("a\nb\x1b[31m c\n\n  \n") == "b [31m c"
    assert last_line("") == ""
    assert last_line("x" * 10_000, 20) == "x" * 19 + "…"
