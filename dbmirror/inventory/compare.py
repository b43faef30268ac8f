"""Compares two inventories by what an import, a command or a job gets in each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from dbmirror.inventory.model import UNKNOWN, UNKNOWN_PYTHON, Distribution, Inventory

UNREADABLE = "unreadable"
"""What stands for the version of a package that is there and could not be read."""
ANY = "any version"
"""What a list states of a package that it names and says no more of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """Something that both have, and not at the same version."""

    name: str
    a: str
    b: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One kind of thing, compared; all tuples sorted by name."""

    only_in_a: tuple[tuple[str, str], ...] = ()
    """Name and version."""
    only_in_b: tuple[tuple[str, str], ...] = ()
    changed: tuple[Changed, ...] = ()
    same: tuple[tuple[str, str], ...] = ()
    allowed: tuple[Changed, ...] = ()
    """One side states a range and no version, and the other's version is within it. No difference."""

    @property
    def is_equal(self) -> bool:
        """Whether there is no difference."""
        return not (self.only_in_a or self.only_in_b or self.changed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """Two inventories, compared."""

    python: Section
    """Effective distributions: of each name the nearest layer's."""
    r: Section
    """Effective packages: of each name the nearest library's."""
    debian: Section
    jars: Section
    facts: Section
    """Operating system, architecture, C library, and the versions of Python, R, Java, Scala, Spark and the runtime."""

    @property
    def is_equal(self) -> bool:
        """Whether there is no difference of any kind."""
        return all(section.is_equal for section in (self.python, self.r, self.debian, self.jars, self.facts))


def compare(
    a: Inventory, b: Inventory, *, notebook_environment_a: str | None = None, notebook_environment_b: str | None = None
) -> Differences:
    """What `a` and `b` have in common and what not. A notebook environment is a folder as in Inventory.effective."""
    effective_a = a.effective(notebook_environment_a)
    effective_b = b.effective(notebook_environment_b)
    return Differences(
        python=_section(_python(a, effective_a, effective_b), _python(b, effective_b, effective_a)),
        r=_section(_r(a, notebook_environment_a), _r(b, notebook_environment_b)),
        debian=_section(_debian(a), _debian(b)),
        jars=_section(_jars(a), _jars(b)),
        facts=_section(_facts(a), _facts(b)),
    )


def _section(a: Mapping[str, str], b: Mapping[str, str]) -> Section:
    both = sorted(a.keys() & b.keys())
    unequal = [Changed(name=name, a=a[name], b=b[name]) for name in both if not _equal(a[name], b[name])]
    return Section(
        only_in_a=tuple((name, a[name]) for name in sorted(a.keys() - b.keys())),
        only_in_b=tuple((name, b[name]) for name in sorted(b.keys() - a.keys())),
        changed=tuple(each for each in unequal if not _allows(each.a, each.b) and not _allows(each.b, each.a)),
        same=tuple((name, a[name]) for name in both if _equal(a[name], b[name])),
        allowed=tuple(each for each in unequal if _allows(each.a, each.b) or _allows(each.b, each.a)),
    )


def _equal(a: str, b: str) -> bool:
    """Equal as text, or as versions: `1.0` is `1.0.0`."""
    if a == b:
        return True
    try:
        return Version(a) == Version(b)
    except InvalidVersion:
        return False


def _allows(stated: str, version: str) -> bool:
    """Whether `stated` is a range that `version` is within; a requirement without one allows every version."""
    try:
        return (stated == ANY or stated[:1] in "<>=!~") and SpecifierSet(
            "" if stated == ANY else stated, prereleases=True
        ).contains(Version(version))
    except (InvalidSpecifier, InvalidVersion):
        return False


def _python(
    inventory: Inventory, effective: Mapping[str, Distribution], other: Mapping[str, Distribution]
) -> dict[str, str]:
    """Versions by name; with the commit where both come from version control, for one version can hide many."""
    found = {problem.name: problem.stated or UNREADABLE for problem in inventory.problems if problem.name is not None}
    for name, distribution in effective.items():
        theirs = other.get(name)
        commit = _commit(distribution)
        by_commit = commit and theirs is not None and _commit(theirs)
        found[name] = f"{distribution.version} @ {commit}" if by_commit else distribution.version
    return found


def _commit(distribution: Distribution) -> str | None:
    return distribution.direct_url.commit if distribution.direct_url is not None else None


def _r(inventory: Inventory, notebook_environment: str | None) -> dict[str, str]:
    return {name: package.version for name, package in inventory.effective_r(notebook_environment).items()}


def _debian(inventory: Inventory) -> dict[str, str]:
    versions: dict[str, set[str]] = defaultdict(set)
    for package in inventory.debian_packages:
        versions[package.name].add(package.version)
    return {name: ", ".join(sorted(each)) for name, each in versions.items()}


def _jars(inventory: Inventory) -> dict[str, str]:
    """Versions by `group:artifact`; a jar without coordinates by its file name."""
    versions: dict[str, set[str]] = defaultdict(set)
    for jar in inventory.jars:
        if jar.group and jar.artifact and jar.version:
            versions[f"{jar.group}:{jar.artifact}"].add(jar.version)
        else:
            versions[jar.path.rpartition("/")[2]].add("present")
    return {name: ", ".join(sorted(each)) for name, each in versions.items()}


def _facts(inventory: Inventory) -> dict[str, str]:
    facts = {
        "operating system": f"{inventory.os_id} {inventory.os_version}",
        "architecture": inventory.architecture,
        "glibc": inventory.glibc,
        "python": inventory.python.version,
        "python implementation": inventory.python.implementation,
        "r": inventory.r_version,
        "java": inventory.java_version,
        "scala": inventory.scala_version,
        "spark": inventory.spark_version,
        "runtime": inventory.runtime_version,
    }
    return {name: value for name, value in facts.items() if value is not None and not _unknown(value)}


def _unknown(value: str) -> bool:
    return value.startswith(UNKNOWN) or value == UNKNOWN_PYTHON.version
