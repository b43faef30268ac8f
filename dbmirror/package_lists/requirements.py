"""A requirements file with all that it includes: the versions that it pins, and why the rest has none."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from dbmirror.foreign_text.clean_urls import CredentialsInUrl, clean_url, clean_urls_in
from dbmirror.foreign_text.redaction import foreign_line
from dbmirror.inventory.compare import ANY
from dbmirror.inventory.field_checks import fits
from dbmirror.inventory.model import DirectUrl, Distribution, Problem, Text
from dbmirror.package_lists.environments import Environments
from dbmirror.package_lists.list_text import read_text
from dbmirror.package_lists.model import ListUnreadable, PackageList, inexact, listed
from dbmirror.package_lists.requirement import Stated, holds, is_url, is_version_control, release_at, stated
from dbmirror.package_lists.requirement_lines import Line, requirement_lines

_MOST_FILES: Final = 200
_VARIABLE: Final = re.compile(r"\$\{[A-Z0-9_]+\}")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def read_requirements(text: str, file: Path, environments: Environments) -> PackageList:
    """What the requirements file `file` with the content `text` says; the files that it includes are read.

    Raises ListUnreadable, naming file and line, where pip could not read it either, or versions contradict each other.
    """
    wanted: dict[str, list[Stated]] = defaultdict(list)
    constraints: dict[str, list[Stated]] = defaultdict(list)
    problems: list[Problem] = []
    notes: list[str] = []
    for line, is_constraint in _all_lines(text, file, [file.resolve()]):
        notes += (
            f"{line.place} says {clean_urls_in(index)}: packages come from your own indexes" for index in line.indexes
        )
        if not line.requirement and not line.editable:
            continue
        found = _usable(line, environments, problems)
        if found is None:
            continue
        if found.name is None:
            if not is_constraint:
                problems.append(_without_name(found))
            continue
        (constraints if is_constraint else wanted)[canonicalize_name(found.name)].append(found)
    packages = [_package(each, constraints.get(name, ())) for name, each in sorted(wanted.items())]
    return PackageList(
        kind="a requirements file",
        distributions=tuple(each for each in packages if isinstance(each, Distribution)),
        problems=(*problems, *(each for each in packages if isinstance(each, Problem))),
        notes=tuple(dict.fromkeys(notes)),
    )


def _all_lines(text: str, file: Path, above: Sequence[Path]) -> Iterator[tuple[Line, bool]]:
    """The lines of the file and of those that it includes, each with whether it is a constraint."""
    for line in requirement_lines(text, file):
        included = line.requirements_file or line.constraints_file
        if included is None or line.requirement:
            yield line, False
            continue
        for nested, is_constraint in _included(included, line, above):
            yield nested, is_constraint or line.requirements_file is None


def _included(name: str, line: Line, above: Sequence[Path]) -> Iterator[tuple[Line, bool]]:
    where = f"{line.file}:{line.number}"
    if is_url(name) and not name.startswith("file:"):
        raise ListUnreadable(
            f"{where} includes {clean_urls_in(foreign_line(name, 200))}, which is not fetched.",
            remedy="Download that file, and name it there instead.",
        )
    file = line.file.parent / name.removeprefix("file://")
    real = file.resolve()
    if real in above or len(above) > _MOST_FILES:
        raise ListUnreadable(f"{where} includes {file}, which includes it in turn.")
    yield from _all_lines(read_text(file, named_by=where), file, (*above, real))


def _usable(line: Line, environments: Environments, problems: list[Problem]) -> Stated | None:
    """What `line` asks for, if it holds on the cluster; what cannot be told of it becomes a problem."""
    found = stated(line)
    content = line.editable or line.requirement
    if _VARIABLE.search(content):
        reason = "its address has a variable of the shell in it, which a list of packages does not get"
        problems.append(inexact(found.name, content, reason, place=line.place))
        return None
    answer = holds(found.marker, environments.possible)
    if answer is None:
        reason = f"it is there only where {found.marker}, and {environments.missing}"
        problems.append(inexact(found.name, content, reason, place=line.place))
    return found if answer else None


def _package(wanted: Sequence[Stated], constraints: Sequence[Stated]) -> Distribution | Problem:
    addressed = [each for each in (*wanted, *constraints) if each.address is not None]
    if addressed:
        _require_one({each.address or "": each for each in addressed})
        return _of_address(addressed[0], wanted[0])
    first = wanted[0]
    pins: dict[str, Stated] = {version: each for each in (*wanted, *constraints) for version in _pins(each)}
    together = SpecifierSet(",".join(str(each.specifier) for each in (*wanted, *constraints) if each.specifier))
    if not pins:
        what = f"{together} is a range" if together else "no version is stated"
        return inexact(
            first.name,
            str(together) or ANY,
            f"{what}: the list does not say which version there is",
            place=first.line.place,
        )
    _require_one(pins)
    version = next(iter(pins))
    try:
        allowed = together.contains(Version(version), prereleases=True)
    except InvalidVersion:
        allowed = True
    if not allowed:
        raise ListUnreadable(
            f"{_where(first)}: {first.name} {version} is pinned, and {together} does not allow it, so pip would stop."
        )
    return listed(first.name or "", version, place=first.line.place)


def _pins(each: Stated) -> Iterator[str]:
    for part in each.specifier:
        if part.operator in {"==", "==="} and not part.version.endswith(".*"):
            yield part.version


def _require_one(stated_as: Mapping[str, Stated]) -> None:
    """Raises ListUnreadable where the keys of `stated_as` are several: pip takes one version of a package."""
    if len(stated_as) > 1:
        (one, first), (other, second) = list(stated_as.items())[:2]
        raise ListUnreadable(
            f"{_where(second)} asks for {second.name} {foreign_line(str(other), 200)}, and {_where(first)} for "
            f"{foreign_line(str(one), 200)}: pip takes one version of a package."
        )


def _where(each: Stated) -> str:
    return f"{each.line.file}:{each.line.number}"


def _of_address(addressed: Stated, wanted: Stated) -> Distribution | Problem:
    """A package of an address: exact where the file's name has its version."""
    address, place = addressed.address or "", addressed.line.place
    try:
        clean = clean_url(address if is_url(address) else f"file:{address}")
    except CredentialsInUrl as error:
        return inexact(wanted.name, "", f"its address cannot be used: {error}", place=place)
    release = release_at(clean)
    if addressed.editable or release is None or not fits(clean, Text):
        return inexact(wanted.name, clean, _why_no_version(clean, editable=addressed.editable), place=place)
    fragment = re.search(r"[#&]sha256=([0-9a-f]{64})\b", clean)
    sha256 = fragment[1] if fragment else addressed.line.sha256
    origin = DirectUrl(
        url=clean.partition("#")[0], sha256=sha256 if sha256 and re.fullmatch("[0-9a-f]{64}", sha256) else None
    )
    return listed(wanted.name or release[0], release[1], origin=origin, place=place)


def _why_no_version(address: str, *, editable: bool) -> str:
    if is_version_control(address):
        commit = address.partition("#")[0].rpartition("@")[2]
        at = f"the commit {commit[:12]}" if _COMMIT.fullmatch(commit) else "no certain commit"
        return f"it comes from a repository at {at}: its files say which version that is, the list does not"
    if editable or address.startswith("file:"):
        return "it comes from a folder or file of the machine that the list is of"
    return "the address that it comes from does not say its version"


def _without_name(found: Stated) -> Problem:
    address = foreign_line(clean_urls_in(found.address or ""), 200)
    reason = f"{address} says no name: {_why_no_version(address, editable=found.editable)}"
    return inexact(None, address, reason, place=found.line.place)
