"""What becomes of every R package of a selection: the one place where R's fates are made and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from dbmirror.filters.r_model import RDecision, RSelection
from dbmirror.lock.errors import Unaccounted
from dbmirror.lock.fates import one_line
from dbmirror.lock.model import FateKind
from dbmirror.lock.r.model import RFate


def fate_of(decision: RDecision, kind: FateKind, reason: str, *, substitute: str | None = None) -> RFate:
    """The fate of the package that `decision` speaks of."""
    return RFate(
        name=decision.name,
        version=decision.version,
        library=decision.library,
        kind=kind,
        reason=one_line(reason),
        substitute=substitute,
    )


def excluded(decision: RDecision) -> RFate:
    """The fate of what a rule keeps out."""
    rule = decision.rule
    return fate_of(decision, FateKind.EXCLUDED, f"{rule.name} ({rule.pattern}): {rule.reason}")


def account(selection: RSelection, fates: Iterable[RFate]) -> tuple[RFate, ...]:
    """`fates` sorted by name and library, one for each decision of `selection`.

    Raises Unaccounted, naming the package, where one has no fate, or two, or a fate speaks of nothing that was found.
    """
    found = tuple(sorted(fates, key=lambda fate: (fate.name, fate.library, fate.version)))
    difference = Counter((each.name, each.version, each.library) for each in selection.decisions)
    difference.subtract(Counter((fate.name, fate.version, fate.library) for fate in found))
    for (name, version, library), count in sorted(difference.items()):
        if count:
            raise Unaccounted(f"{name} {version} ({library}) has {'no fate' if count > 0 else 'a fate too many'}")
    return found
