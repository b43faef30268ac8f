"""The one file of an index that an installer on the target takes for a pinned version, or why there is none."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from packaging.specifiers import InvalidSpecifier, SpecifierSet
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

_LONGEST_SPECIFIER = 1000
"""Characters: what is longer is none that anybody wrote."""


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
    fitting = [file for file in allowed if -preference(file, target)[1] <= len(wheel_tags(target))]
    if not fitting:
        return NoFile(
            f"has {version} neither as a wheel for Python {'.'.join(target.python.split('.')[:2])} on "
            f"{target.architecture} with glibc {target.glibc} nor as a source distribution"
        )
    # A .tar.gz before a .zip, and the same one each time.
    ordered = sorted(fitting, key=lambda file: (file.filename.endswith(".tar.gz"), file.filename))
    return max(reversed(ordered), key=lambda file: preference(file, target))


def preference(file: DistributionPackage, target: Target) -> tuple[bool, int, BuildTag]:
    """What pip compares two files of one version by, more being better: not yanked, the tag's place, the build number.

    A source distribution comes after every wheel that fits; a wheel that does not fit is worse than that.
    """
    tags = wheel_tags(target)
    if not file.filename.endswith(".whl"):
        return not file.is_yanked, -len(tags), ()
    _, _, build, wheel = parse_wheel_filename(file.filename)
    rank = {tag: place for place, tag in reversed(list(enumerate(tags)))}
    place = min((rank[tag] for tag in wheel if tag in rank), default=len(tags) + 1)
    return not file.is_yanked, -place, build


def _parsed(file: DistributionPackage) -> tuple[str, Version] | None:
    try:
        if file.filename.endswith(".whl"):
            return parse_wheel_filename(file.filename)[:2]
        return parse_sdist_filename(file.filename)
    except (InvalidWheelFilename, InvalidSdistFilename, ValueError):
        return None


def _allows(requires_python: str | None, target: Target) -> bool:
    """Whether the target's Python is allowed; a specifier that cannot be read allows it, as with pip."""
    if requires_python is not None and len(requires_python) > _LONGEST_SPECIFIER:
        return True
    release = re.match(r"\d+\.\d+\.\d+", target.python)
    try:
        return SpecifierSet(requires_python or "").contains(
            release.group() if release else target.python, prereleases=True
        )
    except InvalidSpecifier:
        return True


def _missing_version(wanted: Version, others: set[Version]) -> str:
    if wanted.local and re.fullmatch(r"(cpu|cu\d+|rocm[\d.]+|xpu)(\.cxx11\.abi)?", wanted.local):
        hint = "PyTorch publishes such builds on an index of its own, which [index.packages] in dbmirror.toml can name"
        return f"has no {wanted}: {hint}"
    if wanted.local and re.fullmatch(r"db\d+", wanted.local):
        return f"has no {wanted}: Databricks built it for its runtime and publishes it nowhere"
    if wanted.local and Version(wanted.public) in others:
        return f"has {wanted.public}, but not the local build {wanted}"
    return f"has no version {wanted} of it"
