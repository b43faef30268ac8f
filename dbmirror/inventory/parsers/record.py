"""RECORD of a .dist-info: the distribution's files with their hashes."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from dbmirror.inventory.parsers.malformed import Malformed


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRow:
    """One file of a RECORD."""

    path: str
    """As it stands there: with slashes, relative to the folder that holds the .dist-info, or absolute."""
    algorithm: str
    """`sha256`; empty where the row has no hash."""
    digest: str
    """URL-safe base64 without padding; empty where the row has no hash."""


def parse_record(content: str) -> tuple[RecordRow, ...] | Malformed:
    """The rows of `content`, each path once, in order."""
    rows: dict[str, RecordRow] = {}
    try:
        for cells in csv.reader(io.StringIO(content, newline=""), strict=True):
            if not cells or not cells[0]:
                continue
            algorithm, _, digest = (cells[1] if len(cells) > 1 else "").partition("=")
            rows.setdefault(cells[0], RecordRow(path=cells[0], algorithm=algorithm, digest=digest))
    except csv.Error as error:
        return Malformed(f"its RECORD cannot be read: {error}")
    return tuple(rows.values())
