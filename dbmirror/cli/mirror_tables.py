"""The tables about a mirror's packages: fates, an explanation, differences, and what was pushed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import RenderableType
from rich.text import Text

from dbmirror.cli.layout import prose, stacked, table
from dbmirror.filters.explain import Explanation
from dbmirror.filters.model import Decision
from dbmirror.inventory.compare import Differences, Section
from dbmirror.lock.fates import Fate, FateKind
from dbmirror.lock.mirror_lock import MirrorLock
from dbmirror.publish.destinations import Pushed

_COLOUR = {
    FateKind.MIRRORED: "green",
    FateKind.PROVIDED: "green",
    FateKind.SUBSTITUTED: "yellow",
    FateKind.EXCLUDED: "cyan",
    FateKind.UNAVAILABLE: "red",
}
_EXCEPTIONS = frozenset({FateKind.SUBSTITUTED, FateKind.EXCLUDED, FateKind.UNAVAILABLE})
"""The fates of what the image does not have as the cluster has it."""


def fates(lock: MirrorLock, shown: str, *, before: MirrorLock | None = None) -> RenderableType:
    """The fate table: the counts of all packages, and the rows that `shown` asks for.

    `all`; `exceptions`: what the image does not have as the cluster has it; `changed`: the exceptions that are new
    since the lock `before`, and what was one there; `none`.
    """
    rows = [_fate_row(fate, language) for fate, language in _shown_fates(lock, shown, before)]
    parts: list[RenderableType] = []
    if rows:
        parts.append(table("PACKAGE", "VERSION", "LAYER", "FATE", "WHY", rows=rows, below=["WHY"]))
    if lock.r is not None and (shown in {"all", "exceptions"} or _additions(lock) != _additions(before)):
        added = [package for package in lock.r.packages if package.addition]
        if added:
            additions = ((package.name, package.version, package.addition or "") for package in added)
            title = "Added for R notebooks"
            parts.append(table("R PACKAGE", "VERSION", "WHY", rows=additions, title=title, below=["WHY"]))
        for lacking in lock.r.lacking:
            parts.append(prose(f"R notebooks will lack {lacking.name}. {lacking.reason}", style="yellow"))
    counts = lock.counts()
    total = f"{lock.found} packages found = " + " + ".join(f"{counts[kind]} {kind}" for kind in FateKind)
    parts.append(prose(total, style="bold"))
    if shown == "changed" and before is not None and not rows:
        parts.append(prose("No fate changed since the last lock; '--fates exceptions' lists them.", style="dim"))
    return stacked(parts)


def _shown_fates(lock: MirrorLock, shown: str, before: MirrorLock | None) -> list[tuple[Fate, str]]:
    """The fates that `shown` asks for, each with its language."""
    every = _fates_of(lock)
    if shown == "all":
        return every
    exceptions = [(fate, language) for fate, language in every if fate.kind in _EXCEPTIONS]
    if shown == "exceptions":
        return exceptions
    if shown == "none":
        return []
    known = _fates_of(before) if before is not None else []
    were = {(fate.name, fate.location, language) for fate, language in known if fate.kind in _EXCEPTIONS}
    resolved = [
        (fate, language)
        for fate, language in every
        if fate.kind not in _EXCEPTIONS and (fate.name, fate.location, language) in were
    ]
    return [each for each in exceptions if each not in known] + resolved


def _fates_of(lock: MirrorLock) -> list[tuple[Fate, str]]:
    r = lock.r.fates if lock.r is not None else ()
    return [*((fate, "Python") for fate in lock.python.fates), *((fate, "R") for fate in r)]


def _additions(lock: MirrorLock | None) -> object:
    """What is said of R notebooks beyond the fates."""
    if lock is None or lock.r is None:
        return None
    return {(each.name, each.version, each.addition) for each in lock.r.packages if each.addition}, lock.r.lacking


def _fate_row(fate: Fate, language: str) -> tuple[str | Text, ...]:
    why = f"{fate.reason} Instead: {fate.substitute}." if fate.substitute else fate.reason
    layer = "R" if language == "R" else fate.layer.value
    return fate.name, fate.version, layer, Text(fate.kind.value, style=_COLOUR[fate.kind]), why


def explanation(found: Explanation, fates_of: Sequence[Fate], *, language: str) -> RenderableType:
    """All about one package: its copies, the rules that match (the first one won), who requires it, its fates."""
    parts: list[RenderableType] = []
    if found.decision:
        place = f"R, {found.decision.location}" if language == "R" else f"{found.decision.layer} layer"
        parts.append(Text(f"{found.name} {found.decision.version} ({place})", style="bold"))
    else:
        parts.append(Text(found.name, style="bold"))
    rules = ((o.verdict.value, o.rule.name, o.rule.pattern, o.rule.reason, o.rule.origin) for o in found.opinions)
    if found.opinions:
        title = "Rules that match it; the first one counts"
        parts.append(table("VERDICT", "RULE", "PATTERN", "REASON", "FROM", rows=rules, title=title))
    if found.hidden:
        copies = ((d.version, _place(d, language), d.rule.reason) for d in found.hidden)
        parts.append(table("VERSION", "PLACE", "WHY", rows=copies, title="Copies that imports do not get"))
    if found.required_by:
        needs = ((need.requirer, need.requirement or "") for need in found.required_by)
        parts.append(table("PACKAGE", "REQUIREMENT", rows=needs, title="Who requires it on the cluster"))
    if found.problems:
        unreadable = ((problem.path, problem.reason) for problem in found.problems)
        parts.append(table("PLACE", "PROBLEM", rows=unreadable, title="Could not be read"))
    if fates_of:
        rows = (_fate_row(fate, language) for fate in fates_of)
        parts.append(
            table(
                "PACKAGE", "VERSION", "LAYER", "FATE", "WHY", rows=rows, title="Fate in the present lock", below=["WHY"]
            )
        )
    return stacked(parts)


def _place(decision: Decision, language: str) -> str:
    return decision.location if language == "R" else f"{decision.location} ({decision.layer})"


def differences(found: Differences, a: str, b: str, *, shown: str, sections: Sequence[str]) -> RenderableType:
    """Two inventories side by side; `shown` is all, same or diff."""
    parts: list[RenderableType] = []
    for name in sections:
        section: Section = getattr(found, name)
        rows = sorted(_section_rows(section, shown))
        if rows:
            parts.append(table(name.upper(), a, b, "", rows=rows))
    counts = (f"{name}: {_section_counts(getattr(found, name))}" for name in sections)
    parts.append(prose("\n".join(counts), style="bold"))
    return stacked(parts)


def _section_rows(section: Section, shown: str) -> Iterable[tuple[str, str, str, str]]:
    if shown in {"all", "diff"}:
        yield from ((name, version, "-", "only in the first") for name, version in section.only_in_a)
        yield from ((name, "-", version, "only in the second") for name, version in section.only_in_b)
        yield from ((changed.name, changed.a, changed.b, "differs") for changed in section.changed)
        yield from ((each.name, each.a, each.b, "within the range") for each in section.allowed)
    if shown in {"all", "same"}:
        yield from ((name, version, version, "same") for name, version in section.same)


def _section_counts(section: Section) -> str:
    within = f"{len(section.allowed)} within a range, " if section.allowed else ""
    return (
        f"{len(section.same)} same, {within}{len(section.changed)} at other versions, "
        f"{len(section.only_in_a)} only in the first, {len(section.only_in_b)} only in the second"
    )


def pushed(results: Sequence[Pushed]) -> RenderableType:
    """What was pushed where; reference and digest each on a line of their own, to be copied."""
    parts: list[RenderableType] = []
    for result in results:
        done = "was there already" if result.already_there else "sent"
        verified = Text(", verified") if result.verified else Text(", not verified", style="red")
        parts.append(Text.assemble((result.registry, "bold"), f": {done}", verified))
        lines = (result.reference, result.digest, *(f"also {also.reference}" for also in result.also))
        parts += [Text(f"  {line}", no_wrap=True, overflow="ignore") for line in lines]
    return stacked(parts)


def what_to_do(deployment: Sequence[Path]) -> str:
    """Where it stands what to do with a pushed image."""
    readme = deployment[0].parent / "README.md"
    return f"What to do with it: {readme}, with cluster.json, Terraform and a bundle beside it."
