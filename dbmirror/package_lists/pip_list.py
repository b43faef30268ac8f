"""The output of `pip list --format json`: every distribution of an environment, with its version."""

from __future__ import annotations

from pathlib import Path

import msgspec

from dbmirror.foreign_text.decoding import decode_json
from dbmirror.inventory.model import Distribution, Problem
from dbmirror.package_lists.model import ListUnreadable, PackageList, inexact, listed, place_of


class _Row(msgspec.Struct):
    name: str
    version: str
    editable_project_location: str | None = None


def read_pip_list(text: str, file: Path) -> PackageList:
    """The distributions that pip lists, in the output's order. Raises ListUnreadable."""
    try:
        rows = decode_json(text, list[_Row])
    except msgspec.DecodeError as error:
        raise ListUnreadable(f"{file} is not what 'pip list --format json' prints: {error}.") from None
    found = [_package(row, place_of(file, number)) for number, row in enumerate(rows, start=1)]
    return PackageList(
        kind="what 'pip list --format json' prints",
        distributions=tuple(each for each in found if isinstance(each, Distribution)),
        problems=tuple(each for each in found if isinstance(each, Problem)),
    )


def _package(row: _Row, place: str) -> Distribution | Problem:
    if row.editable_project_location is not None:
        return inexact(row.name, row.version, "it comes from a folder of the machine that the list is of", place=place)
    return listed(row.name, row.version, place=place)
