"""The tables that commands show: fates, verification, differences, clusters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import RenderableType
from rich.markup import escape
from rich.text import Text

from dbmirror.cli.layout import Prose, facts, prose, stacked, table
from dbmirror.filters.explain import Explanation
from dbmirror.filters.model import Decision
from dbmirror.inventory.compare import Differences, Section
from dbmirror.inventory.layers import Layer
from dbmirror.lock.mirror_lock import MirrorLock
from dbmirror.lock.model import Fate, FateKind
from dbmirror.publish.destinations import Pushed
from dbmirror.snapshot import Snapshot
from dbmirror.verify.imports import NOT_TRIED
from dbmirror.verify.model import Finding, ImportAttempt, Outcome, Report, Severity

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


def verification(report: Report, *, mirror: str) -> RenderableType:
    """What verification found: the three counts, every failure, and every rule that is not simply passed."""
    parts: list[RenderableType] = []
    different = [c for c in report.comparisons if not c.equal]
    if different:
        rows = ((c.name, c.expected, c.found or "missing") for c in different)
        parts.append(table("PACKAGE", "CLUSTER", "IMAGE", rows=rows, title="Not at the cluster's version"))
    failed = [a for a in report.imports if a.error is not None and a.expected is None]
    if failed:
        import_rows = ((a.distribution, a.module, a.error or "") for a in failed)
        parts.append(table("PACKAGE", "IMPORT", "ERROR", rows=import_rows, title="Imports that fail", below=["ERROR"]))
    broken = [check for check in report.r_packages if not check.good]
    if broken:
        r_rows = ((c.name, c.expected, c.found or "missing", c.error or "") for c in broken)
        parts.append(
            table(
                *("R PACKAGE", "CLUSTER", "IMAGE", "ERROR"),
                rows=r_rows,
                title="R packages that are not right",
                below=["ERROR"],
            )
        )
    if report.r_failed:
        failed_rows = ((failure.name, failure.version, failure.reason) for failure in report.r_failed)
        title = "R packages that did not compile"
        parts.append(table("R PACKAGE", "VERSION", "WHY", rows=failed_rows, title=title, below=["WHY"]))
    shown = [f for f in report.findings if f.outcome in {Outcome.FAILED, Outcome.WAIVED}]
    if shown:
        finding_rows = ((f.rule, _outcome(f), f.title, f"{f.message}{_waiver(f)}") for f in shown)
        title = "Container Services contract"
        parts.append(table("RULE", "RESULT", "WHAT", "FOUND", rows=finding_rows, title=title, below=["FOUND"]))
        parts.append(prose("docs/contract.md says of each rule why it is there and how to meet it.", style="dim"))
    if report.extra:
        parts.append(
            prose(f"{len(report.extra)} more came with the base or with Debian packages; the report names them.")
        )
    parts.append(Prose(Text.from_markup(verdict(report, mirror=mirror))))
    parts += [Prose(line) for line in two_answers(report)]
    return stacked(parts)


def two_answers(report: Report) -> tuple[Text, Text]:
    """Whether the image is what the cluster has, and whether a cluster could boot from it."""
    needed = report.purpose == "cluster"
    yes, no = Text("yes", style="green"), Text("no", style="red")
    boots = yes
    if report.boot_obstacles:
        reasons = "; ".join(f"{f.rule}: {f.message.rstrip('.')}" for f in report.boot_obstacles)
        boots = Text.assemble(("no", "red" if needed else "yellow"), f", because {reasons}")
        if not needed:
            boots.append(". The mirror is for the lab, which does without.")
    return (
        Text.assemble("matches the cluster: ", yes if report.matches else no),
        Text.assemble("can boot under Container Services: ", boots),
    )


def verdict(report: Report, *, mirror: str) -> str:
    """One sentence, with markup: counts of what was compared, tried and checked, and whether the image passed."""
    equal = sum(c.equal for c in report.comparisons)
    imported = sum(a.error is None for a in report.imports)
    expected = sum(a.error is not None and a.expected is not None for a in report.imports)
    outcomes = Counter(_outcome(finding).plain for finding in report.findings)
    rules = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    word = "[bold green]verified[/]" if report.passed else "[bold red]NOT verified[/]"
    note = f" (the other {expected}: 'dbmirror explain {mirror} --imports')" if expected else ""
    good = sum(check.good for check in report.r_packages)
    r = f"{good} of {len(report.r_packages)} R packages load at their version; " if report.r_packages else ""
    return (
        f"{word}: {equal} of {len(report.comparisons)} packages at the cluster's version; {r}"
        f"{imported} of {len(report.imports)} imports work{note}; rules: {escape(rules)}"
    )


def imports(explained: Sequence[ImportAttempt]) -> RenderableType:
    """The imports that fail in the image and are no defect of it, with the reason."""
    rows = (
        (
            attempt.distribution,
            attempt.module,
            "" if attempt.error == NOT_TRIED else attempt.error or "",
            attempt.expected or "",
        )
        for attempt in explained
    )
    if not explained:
        return prose("Every import works.")
    return table("PACKAGE", "IMPORT", "ERROR", "WHY IT IS NO DEFECT", rows=rows, below=["WHY IT IS NO DEFECT"])


def _outcome(finding: Finding) -> Text:
    if finding.outcome is not Outcome.FAILED:
        return Text(finding.outcome.value, style="cyan" if finding.outcome is Outcome.WAIVED else "")
    return Text(finding.severity.value, style="red" if finding.severity is Severity.ERROR else "yellow")


def _waiver(finding: Finding) -> str:
    return f" Waived: {finding.waiver}" if finding.waiver else ""


def snapshot(taken: Snapshot) -> RenderableType:
    """What a snapshot found, in figures; the package list itself is in its file."""
    inventory = taken.inventory
    layers = {layer: sum(d.layer is layer for d in inventory.distributions) for layer in Layer}
    python = ", ".join(f"{count} {layer}" for layer, count in layers.items() if count)
    failed = ", ".join(f"{lib.kind} {lib.specification}" for lib in taken.cluster.libraries if lib.status == "FAILED")
    return facts(
        (
            ("cluster", f"{taken.cluster.cluster_name} ({taken.cluster.cluster_id}), {taken.cluster.spark_version}"),
            ("system", f"{inventory.os_id} {inventory.os_version}, {inventory.architecture}"),
            ("python", f"{inventory.python.version}: {len(inventory.distributions)} distributions ({python})"),
            ("R", f"{inventory.r_version}: {len(inventory.r_packages)} packages" if inventory.r_version else "none"),
            ("others", f"{len(inventory.debian_packages)} Debian packages, {len(inventory.jars)} jars"),
            ("failed libraries", failed or "none"),
            ("unreadable", ", ".join(f"{p.path} ({p.reason})" for p in inventory.problems) or "none"),
            ("digest", taken.digest),
        )
    )


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
    if shown in {"all", "same"}:
        yield from ((name, version, version, "same") for name, version in section.same)


def _section_counts(section: Section) -> str:
    return (
        f"{len(section.same)} same, {len(section.changed)} at other versions, "
        f"{len(section.only_in_a)} only in the first, {len(section.only_in_b)} only in the second"
    )


def pushed(results: Sequence[Pushed]) -> RenderableType:
    """What was pushed where; reference and digest each on a line of their own, to be copied."""
    parts: list[RenderableType] = []
    for result in results:
        done = "was there already" if result.already_there else "sent"
        verified = Text(", verified") if result.verified else Text(", not verified", style="red")
        parts.append(Text.assemble((result.registry, "bold"), f": {done}", verified))
        parts += [Text(f"  {line}", no_wrap=True, overflow="ignore") for line in (result.reference, result.digest)]
    return stacked(parts)


def what_to_do(deployment: Sequence[Path]) -> str:
    """Where it stands what to do with a pushed image."""
    readme = deployment[0].parent / "README.md"
    return f"What to do with it: {readme}, with cluster.json, Terraform and a bundle beside it."
