"""A renv.lock: the R packages of a project, with their versions and where they came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from dbmirror.foreign_text.decoding import decode_json
from dbmirror.inventory.field_checks import fits, printable
from dbmirror.inventory.model import Problem, RPackage, RVersion
from dbmirror.inventory.parsers.description import parse_description
from dbmirror.inventory.parsers.malformed import Malformed
from dbmirror.package_lists.model import ListUnreadable, PackageList

R_LIBRARY: Final = "/usr/local/lib/R/site-library"
"""Where a cluster has the R packages of its runtime, and what init scripts add."""


class _R(msgspec.Struct, rename="pascal"):
    version: str = ""


class _Document(msgspec.Struct, rename="pascal"):
    packages: dict[str, dict[str, Any]]
    r: _R = msgspec.field(default_factory=_R)


def read_renv(text: str, file: Path) -> PackageList:
    """The packages of the lock, sorted by name. Raises ListUnreadable."""
    try:
        document = decode_json(text, _Document)
    except msgspec.DecodeError as error:
        raise ListUnreadable(f"{file} is no renv.lock: {error}.") from None
    found = [_package(name, record, file) for name, record in sorted(document.packages.items())]
    return PackageList(
        kind="an renv.lock",
        r_packages=tuple(each for each in found if isinstance(each, RPackage)),
        problems=tuple(each for each in found if isinstance(each, Problem)),
        r_version=document.r.version if fits(document.r.version, RVersion) else None,
        has_python=False,
        has_r=True,
    )


def _package(name: str, record: Mapping[str, Any], file: Path) -> RPackage | Problem:
    """The package by the rules of a DESCRIPTION, whose fields renv's records have."""
    found = parse_description("\n".join(_fields(name, record)), library=R_LIBRARY)
    if isinstance(found, Malformed):
        return Problem(path=printable(f"{file.name}: {name}"), reason=found.reason)
    return found


def _fields(name: str, record: Mapping[str, Any]) -> Iterator[str]:
    yield f"Package: {_one_line(record.get('Package', name))}"
    for field, value in record.items():
        # Older locks have the names of all requirements in one list.
        field = "Imports" if field == "Requirements" else field  # noqa: PLW2901
        if field != "Package" and field.isalnum() and isinstance(value, str | list):
            yield f"{field}: {_one_line(value)}"


def _one_line(value: object) -> str:
    words = ", ".join(str(each) for each in value) if isinstance(value, list) else str(value)
    return " ".join(words.split())
