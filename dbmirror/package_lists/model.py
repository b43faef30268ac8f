"""What a list of packages says, and how a package of it stands in an inventory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from dbmirror.errors import UsageError
from dbmirror.foreign_text.characters import shown
from dbmirror.foreign_text.decoding import convert
from dbmirror.foreign_text.redaction import foreign_line
from dbmirror.inventory.field_checks import normalised
from dbmirror.inventory.layers import Layer
from dbmirror.inventory.model import DirectUrl, Distribution, Interpreter, Problem, RPackage

PLACE: Final = "/listed"
"""Stands for the folder of a distribution that a list names: which one it is on a cluster, the list does not say."""


class ListUnreadable(UsageError):
    """A file is none of the lists of packages that are read, or a line of it says nothing that can be understood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageList:
    """The packages that one list names, each exact or as a problem with its reason."""

    kind: str
    """What the file is, in words: `a requirements file`, `an renv.lock`."""
    distributions: tuple[Distribution, ...] = ()
    r_packages: tuple[RPackage, ...] = ()
    problems: tuple[Problem, ...] = ()
    """What has no exact version in the list, or one of a form that is not let through."""
    python: Interpreter | None = None
    """The Python of the list's environment, where the list says it."""
    r_version: str | None = None
    has_python: bool = True
    """Whether it can name Python packages; else R packages alone."""
    has_r: bool = False
    notes: tuple[str, ...] = ()
    """What the list says beside its packages, and is not followed."""


def listed(spelling: str, version: str, *, origin: DirectUrl | None = None, place: str) -> Distribution | Problem:
    """The distribution `spelling` at `version`; a problem at `place` (`requirements.txt:3`) where its form is odd."""
    name = normalised(spelling)
    values: dict[str, Any] = {
        "name": name,
        "spelling": spelling,
        "version": version,
        "layer": Layer.RUNTIME,
        "location": PLACE,
        "direct_url": origin,
    }
    try:
        return convert(values, Distribution)
    except msgspec.ValidationError:
        what = foreign_line(f"{spelling} {version}", 200)
        return Problem(path=place, reason=f"its name or version has a form that is not let through: {what}", name=name)


def inexact(spelling: str | None, stated: str, reason: str, *, place: str) -> Problem:
    """A package that the list names without an exact version: `stated` stands there, and `reason` says why."""
    return Problem(
        path=place,
        reason=foreign_line(reason, 400),
        name=normalised(spelling) if spelling else None,
        layer=Layer.RUNTIME,
        stated=foreign_line(stated, 300) or None,
    )


def place_of(file: Path, number: int) -> str:
    """`requirements.txt:3`: the file by its name, for the folders above it are this machine's."""
    return f"{shown(file.name)}:{number}"
