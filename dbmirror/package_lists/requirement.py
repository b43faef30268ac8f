"""One requirement: a name with its versions, an address, or a folder, with the environment that it holds in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename

from dbmirror.foreign_text.pep508 import ONE_PARSER
from dbmirror.foreign_text.redaction import foreign_line
from dbmirror.package_lists.model import ListUnreadable
from dbmirror.package_lists.requirement_lines import Line

_ADDRESS: Final = re.compile(r"((git|hg|svn|bzr)\+)?(https?|ftp|file|ssh|git|sftp|lp|rsync):", re.IGNORECASE)
_NAMED_ADDRESS: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\s*(\[[^\]]*\]\s*)?@")
_ARCHIVES: Final = (".whl", ".zip", ".tar.gz", ".tgz", ".tar", ".tar.bz2", ".tbz", ".tar.xz", ".txz")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """What one line of a list asks for."""

    line: Line
    name: str | None
    """As it is spelled; None where neither line nor address says it."""
    specifier: SpecifierSet = field(default_factory=SpecifierSet)
    address: str | None = None
    """The URL, or the path of a file or folder, that it comes from; None for an index."""
    marker: Marker | None = None
    editable: bool = False


def stated(line: Line) -> Stated:
    """The requirement on `line`. Raises ListUnreadable where there is none that pip would understand."""
    text = line.editable or line.requirement
    bare = text.partition(";")[0].strip()
    try:
        with ONE_PARSER:
            if not _NAMED_ADDRESS.match(text):
                if _ADDRESS.match(text):
                    return _of_address(line, *_split(text, "; "))
                if line.editable or bare.startswith(".") or "/" in bare or bare.lower().endswith(_ARCHIVES):
                    return _of_address(line, *_split(text, ";"))
            found = Requirement(text)
    except (InvalidRequirement, InvalidMarker) as error:
        why = foreign_line(str(error), 200)
        raise ListUnreadable(
            f"{line.file}:{line.number}: {foreign_line(text, 200)!r} is no requirement: {why}."
        ) from None
    return Stated(
        line=line,
        name=found.name,
        specifier=found.specifier,
        address=found.url,
        marker=found.marker,
        editable=line.editable is not None,
    )


def holds(marker: Marker | None, environments: Iterable[Mapping[str, str]]) -> bool | None:
    """Whether a line holds on the cluster; None where the `environments` that may be its do not agree."""
    if marker is None:
        return True
    try:
        answers = {marker.evaluate(dict(environment)) for environment in environments}
    except (UndefinedComparison, UndefinedEnvironmentName):
        return None
    return answers.pop() if len(answers) == 1 else None


def release_at(address: str) -> tuple[str, str] | None:
    """Name and version that the file name at the end of `address` says; None where it says none."""
    try:
        filename = unquote(urlsplit(address).path.rpartition("/")[2])
        if filename.endswith(".whl"):
            name, version, _, _ = parse_wheel_filename(filename)
            return name, str(version)
        if filename.endswith((".tar.gz", ".zip")) and not is_version_control(address):
            name, version = parse_sdist_filename(filename)
            return name, str(version)
    except (InvalidWheelFilename, InvalidSdistFilename, ValueError):
        # No address, or one of no release.
        pass
    return None


def is_version_control(address: str) -> bool:
    """Whether `address` is one of a repository: `git+https://…`."""
    return "+" in address.partition(":")[0]


def is_url(address: str) -> bool:
    """Whether `address` is a URL, not a path."""
    return _ADDRESS.match(address) is not None


def _split(text: str, separator: str) -> tuple[str, Marker | None]:
    address, _, marker = text.partition(separator)
    return address.strip(), Marker(marker.strip()) if marker.strip() else None


def _of_address(line: Line, address: str, marker: Marker | None) -> Stated:
    egg = re.search(r"[#&]egg=([A-Za-z0-9][A-Za-z0-9._-]*)", address)
    release = release_at(address)
    return Stated(
        line=line,
        name=egg[1] if egg else release[0] if release else None,
        address=address,
        marker=marker,
        editable=line.editable is not None,
    )
