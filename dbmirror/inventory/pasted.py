"""What a notebook cell of dbmirror showed, found in a file that somebody copied or exported."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

import msgspec

from dbmirror.errors import UsageError
from dbmirror.foreign_text.archive_faults import ARCHIVE_FAULTS
from dbmirror.foreign_text.characters import plain
from dbmirror.foreign_text.decoding import decode_json
from dbmirror.inventory.assemble import assemble
from dbmirror.inventory.cell import HEADING
from dbmirror.inventory.collector_answer import decode
from dbmirror.inventory.framing import unframe
from dbmirror.inventory.model import Inventory

LARGEST: Final = 64 << 20
"""Bytes of a file, and of all that is unpacked of it."""
_MOST_LINES: Final = 50_000
_LINE: Final = re.compile(r"dbm1~([0-9a-f]{64})~(\d{1,5})~(\d{1,5})~([A-Za-z0-9_-]{1,1000})~([0-9a-f]{8})~")
_MARK: Final = "dbm1~"
_EXPORT: Final = re.compile(rb"__DATABRICKS_NOTEBOOK_MODEL\s*=\s*['\"]([A-Za-z0-9+/=]+)['\"]")
"""What a notebook's HTML export holds: base64 of JSON with percent signs."""


class PasteUnreadable(UsageError):
    """A file holds something of a cell of dbmirror, but no whole answer."""


class _Header(msgspec.Struct, frozen=True):
    cell: int
    nonce: str
    code: int
    cluster: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pasted:
    """A cell's whole answer."""

    inventory: Inventory
    cluster: dict[str, str]
    """What the notebook's Spark and environment said of the cluster, by the names of `inventory/sent/cell.py`; not yet
    checked.
    """


def is_of_a_cell(content: bytes) -> bool:
    """Whether a file's `content` is, or holds, the output of a cell of dbmirror, or the cell itself."""
    return any(_MARK in text or HEADING in text for text in _texts(content))


def read_pasted(content: bytes, *, name: str) -> Pasted:
    """The answer in `content`, of the file called `name`: of several answers the last whole one.

    Raises PasteUnreadable with what is missing, and InventoryError where the answer is not what a collector sends.
    """
    answers: dict[str, dict[int, str]] = {}
    totals: dict[str, int] = {}
    for text in _texts(content):
        for mark, number, total, part, checksum in _lines(text):
            if format(zlib.crc32(f"{number}~{part}".encode("ascii")), "08x") == checksum and 0 < total <= _MOST_LINES:
                parts = answers.pop(mark, {})
                answers[mark] = parts | {number: part}
                totals[mark] = total
    whole = [mark for mark, parts in answers.items() if not _missing(parts, totals[mark])]
    if not whole:
        raise _incomplete(answers, totals, content, name)
    mark = whole[-1]
    letters = "".join(answers[mark][number] for number in range(1, totals[mark] + 1))
    answer = base64.urlsafe_b64decode(letters + "=" * (-len(letters) % 4))
    if hashlib.sha256(answer).hexdigest() != mark:
        raise PasteUnreadable(f"The answer in {name} does not have the SHA-256 that it states.", remedy=_AGAIN)
    return _read(answer, name)


_AGAIN: Final = "Run the cell again and copy all that it shows: 'dbmirror snapshot MIRROR --cell' prints it."


def _read(answer: bytes, name: str) -> Pasted:
    line, _, packed = answer.partition(b"\n")
    unpacking = zlib.decompressobj()
    try:
        header = decode_json(line, _Header)
        stdout = unpacking.decompress(packed, LARGEST)
    except (msgspec.DecodeError, zlib.error) as error:
        raise PasteUnreadable(f"The answer in {name} is not one of a cell of dbmirror: {error}.") from None
    if header.code:
        raise PasteUnreadable(
            f"The cell whose output is in {name} found no Python that it could start, or its program failed (exit "
            f"status {header.code}); the text above its answer says more."
        )
    host = f"the notebook of {name}"
    if not re.fullmatch(r"[0-9a-f]{32}", header.nonce):
        raise PasteUnreadable(f"The answer in {name} is not one of a cell of dbmirror.")
    payload = unframe(stdout, header.nonce, host=host)
    return Pasted(inventory=assemble(decode(payload, host=host), host=host), cluster=header.cluster)


def _lines(text: str) -> Iterator[tuple[str, int, int, str, str]]:
    """The lines of answers, also where a terminal or mail has broken them, or put `>` in front of what it broke."""
    unquoted = "".join(line.lstrip("> |\t").rstrip() for line in text.splitlines())
    for reading in (text, "".join(text.split()), unquoted):
        for found in _LINE.finditer(reading):
            yield found[1], int(found[2]), int(found[3]), found[4], found[5]


def _texts(content: bytes) -> Iterator[str]:
    """The texts in which lines of an answer can stand: the file's own, and those that it packs."""
    left = LARGEST
    if content.startswith(b"PK\x03\x04"):
        # A notebook archive (.dbc) is a zip of JSON.
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for member in archive.infolist()[:1000]:
                    with archive.open(member) as stream:
                        text = stream.read(left)
                    left -= len(text)
                    yield from _readings(text)
        except ARCHIVE_FAULTS:
            return
        return
    yield from _readings(content[:LARGEST])


def _readings(content: bytes) -> Iterator[str]:
    text = plain(_decoded(content))
    yield text
    if "&" in text:
        yield html.unescape(text)
    for model in _EXPORT.finditer(content):
        try:
            yield unquote(base64.b64decode(model[1]).decode("utf-8", "replace"))
        except ValueError:
            continue


def _decoded(content: bytes) -> str:
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if content.startswith(mark):
            return content[2:].decode(encoding, "replace")
    return content.decode("utf-8", "replace")


def _missing(parts: dict[int, str], total: int) -> list[int]:
    return [number for number in range(1, total + 1) if number not in parts]


def _incomplete(
    answers: dict[str, dict[int, str]], totals: dict[str, int], content: bytes, name: str
) -> PasteUnreadable:
    if answers:
        mark = list(answers)[-1]
        total, missing = totals[mark], _missing(answers[mark], totals[mark])
        return PasteUnreadable(
            f"The paste in {name} is cut: of the answer's {total} lines {len(missing)} are missing or damaged, between "
            f"line {missing[0]} and line {missing[-1]}.",
            remedy=f"{_AGAIN} Where the notebook leaves out what is longer, the page shows a field to copy from.",
        )
    if any(HEADING in text for text in _texts(content)):
        return PasteUnreadable(
            f"{name} holds the cell itself, and not what it shows.",
            remedy="Run it in a Python notebook on the cluster, and copy what it shows.",
        )
    return PasteUnreadable(f"{name} holds no whole line of the answer of a cell of dbmirror.", remedy=_AGAIN)
