"""The tables of a verification: what differs from the cluster, what fails to import, which rules are broken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import RenderableType
from rich.markup import escape
from rich.text import Text

from dbmirror.cli.layout import Prose, prose, stacked, table
from dbmirror.verify.imports import NOT_TRIED
from dbmirror.verify.model import Finding, ImportAttempt, Outcome, Report, Severity


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
