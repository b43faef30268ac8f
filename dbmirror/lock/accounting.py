"""Gives each package of a selection its fate, and sees that none is lost."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from dbmirror.filters.model import Decision, Selection
from dbmirror.foreign_text.redaction import foreign_line
from dbmirror.inventory.layers import Installed, Layer, P, nearness
from dbmirror.inventory.model import Problem
from dbmirror.lock.errors import LockError, Unaccounted
from dbmirror.lock.fates import Fate, FateKind

UNKNOWN = "unknown"
"""The version of an entry that could not be read."""


def fate_of(decision: Decision, kind: FateKind, reason: str, *, substitute: str | None = None) -> Fate:
    """The fate of the package that `decision` speaks of."""
    return Fate(
        name=decision.name,
        version=decision.version,
        layer=decision.layer,
        location=decision.location,
        kind=kind,
        reason=foreign_line(reason),
        substitute=substitute,
    )


def excluded(decision: Decision) -> Fate:
    """The fate of what a rule keeps out."""
    rule = decision.rule
    return fate_of(decision, FateKind.EXCLUDED, f"{rule.name} ({rule.pattern}): {rule.reason}")


def provided(decision: Decision) -> Fate:
    """The fate of what the base image has at the cluster's version."""
    return fate_of(decision, FateKind.PROVIDED, "The base image has it at that version.")


def without_source(decision: Decision, reason: str, in_base: Installed | None) -> Fate:
    """The fate of what no source has, for `reason` (no capital, no full stop); the base may have another version."""
    sentence = reason[:1].upper() + reason[1:] + "."
    if in_base is None:
        return fate_of(decision, FateKind.UNAVAILABLE, sentence)
    text = f"{sentence} The base image has another version."
    return fate_of(decision, FateKind.SUBSTITUTED, text, substitute=f"{in_base.name} {in_base.version}")


def unreadable(problem: Problem) -> Fate:
    """The fate of an entry of the inventory that could not be read."""
    return Fate(
        name=problem.name or _name_from(problem.path),
        version=UNKNOWN,
        layer=problem.layer or Layer.RUNTIME,
        location=foreign_line(problem.path),
        kind=FateKind.UNAVAILABLE,
        reason=foreign_line(
            f"Which version the cluster has is not known: {problem.reason}"
            if problem.stated
            else f"Its metadata on the cluster could not be read: {problem.reason}"
        ),
    )


def account(selection: Selection[P], fates: Iterable[Fate]) -> tuple[Fate, ...]:
    """`fates` sorted by name and layer, one for each decision and each problem of `selection`.

    Raises Unaccounted, naming the package, where one has no fate, or two, or a fate speaks of nothing that was found.
    """
    found = tuple(sorted(fates, key=lambda fate: (fate.name, nearness(fate), fate.location, fate.version)))
    difference = Counter(_identity(decision) for decision in selection.decisions)
    difference.update(_identity(unreadable(problem)) for problem in selection.problems)
    difference.subtract(Counter(_identity(fate) for fate in found))
    for (name, version, layer, location), count in sorted(difference.items()):
        if count:
            raise Unaccounted(
                f"{name} {version} ({layer}, {location}) has {'no fate' if count > 0 else 'a fate too many'}"
            )
    return found


def require_complete(
    fates: Iterable[Fate], found: Iterable[Installed], problems: Iterable[Problem] = (), *, file: str
) -> None:
    """Raise LockError where `fates`, read from `file`, do not speak of just what was found."""
    expected = Counter(_identity(package) for package in found)
    expected.update(_identity(unreadable(problem)) for problem in problems)
    accounted = Counter(_identity(fate) for fate in fates)
    if difference := sorted(set((expected - accounted) + (accounted - expected))):
        name, version, layer, _ = difference[0]
        raise LockError(
            f"{file} and the snapshot do not speak of the same packages: {name} {version} ({layer}).",
            remedy="Restore the file from version control, or make it again with 'dbmirror lock MIRROR'.",
        )


def same_version(one: str, other: str) -> bool:
    """Whether two versions are the same, local part included, in PEP 440's eyes if both have its form."""
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other


def _identity(package: Installed) -> tuple[str, str, Layer, str]:
    return package.name, package.version, package.layer, package.location


def _name_from(path: str) -> str:
    stem = re.sub(r"(-[^-]*)?\.(dist|egg)-info\Z", "", PurePosixPath(path).name)
    return canonicalize_name(re.sub(r"[^A-Za-z0-9._-]+", "-", stem)).strip("-")[:200].strip("-") or "unreadable"
