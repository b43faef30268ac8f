"""The one file of an index that an installer on the target takes for a pinned version, or why there is none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag
from packaging.utils import (
    BuildTag,
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version
from pypi_simple import DistributionPackage

from dbmirror.lock.model import Target
from dbmirror.lock.python.target import wheel_tags


@dataclass(frozen=True, slots=True)
class NoFile:
    """Why no file of the index will do, as the end of a sentence that begins with the index."""

    reason: str


def choose(
    name: str, version: str, offered: Iterable[DistributionPackage], target: Target
) -> DistributionPackage | NoFile:
    """The file of the project `name` to install on `target` for `==version`.

    A wheel before a source distribution; of wheels the best tag, then the highest build number; of source
    distributions a .tar.gz before a .zip. Yanked files count, as they do for pip with an exact pin; files whose
    Requires-Python leaves the target's Python out do not. Local versions must be equal to the letter.
    """
    try:
        wanted = Version(version)
    except InvalidVersion:
        return NoFile(f"cannot have the version {version}, which is not of PEP 440's form")
    versions = [(file, parsed[1]) for file in offered if (parsed := _parsed(file)) is not None and parsed[0] == name]
    of_version = [file for file, found in versions if found == wanted]
    if not of_version:
        return NoFile(_missing_version(wanted, {found for _, found in versions}))
    allowed = [file for file in of_version if _allows(file.requires_python, target)]
    if not allowed:
        needs = sorted({file.requires_python or "" for file in of_version})
        return NoFile(f"has {version} only for Python {', '.join(needs)}, and the cluster has {target.python}")
    best = _best_wheel(allowed, wheel_tags(target)) or _best_sdist(allowed)
    if best is None:
        return NoFile(
            f"has {version} neither as a wheel for Python {'.'.join(target.python.split('.')[:2])} on "
            f"{target.architecture} with glibc {target.glibc} nor as a source distribution"
        )
    return best


def _best_wheel(files: Sequence[DistributionPackage], tags: Sequence[Tag]) -> DistributionPackage | None:
    rank = {tag: place for place, tag in reversed(list(enumerate(tags)))}
    ranked: list[tuple[int, BuildTag, str, DistributionPackage]] = []
    for file in files:
        if file.filename.endswith(".whl"):
            _, _, build, wheel = parse_wheel_filename(file.filename)
            places = [rank[tag] for tag in wheel if tag in rank]
            if places:
                ranked.append((-min(places), build, file.filename, file))
    return max(ranked, key=lambda entry: entry[:3])[3] if ranked else None


def _best_sdist(files: Sequence[DistributionPackage]) -> DistributionPackage | None:
    archives = [file for file in files if not file.filename.endswith(".whl")]
    return min(archives, key=lambda file: (not file.filename.endswith(".tar.gz"), file.filename), default=None)


def _parsed(file: DistributionPackage) -> tuple[str, Version] | None:
    try:
        if file.filename.endswith(".whl"):
            return parse_wheel_filename(file.filename)[:2]
        return parse_sdist_filename(file.filename)
    except (InvalidWheelFilename, InvalidSdistFilename, ValueError):
        return None


def _allows(requires_python: str | None, target: Target) -> bool:
    """Whether the target's Python is allowed; a specifier that cannot be read allows it, as with pip."""
    release = re.match(r"\d+\.\d+\.\d+", target.python)
    try:
        return SpecifierSet(requires_python or "").contains(
            release.group() if release else target.python, prereleases=True
        )
    except InvalidSpecifier:
        return True


def _missing_version(wanted: Version, others: set[Version]) -> str:
    if wanted.local and re.fullmatch(r"(cpu|cu\d+|rocm[\d.]+|xpu)(\.cxx11\.abi)?", wanted.local):
        hint = (
            "PyTorch publishes such builds on an index of its own, which [index] extra_urls in dbmirror.toml can name"
        )
        return f"has no {wanted}: {hint}"
    if wanted.local and re.fullmatch(r"db\d+", wanted.local):
        return f"has no {wanted}: Databricks built it for its runtime and publishes it nowhere"
    if wanted.local and Version(wanted.public) in others:
        return f"has {wanted.public}, but not the local build {wanted}"
    return f"has no version {wanted} of it"
