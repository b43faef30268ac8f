"""All about one R package of a selection: the rules that speak of it, its hidden copies, who requires it."""

from __future__ import annotations

from dataclasses import dataclass

from dbmirror.filters.errors import FilterError
from dbmirror.filters.explain import Opinion
from dbmirror.filters.lists import FilterList
from dbmirror.filters.r_model import RDecision, RSelection
from dbmirror.filters.r_selection import mirrored_copies, r_rulebook
from dbmirror.inventory.model import RName
from dbmirror.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class RExplanation:
    """Why an R package is mirrored or is not."""

    name: RName
    decision: RDecision
    """Of the copy that the image would get."""
    opinions: tuple[Opinion, ...]
    """Every rule that matches that copy, in the order in which they are asked: the first one won."""
    hidden: tuple[RDecision, ...]
    """Its copies in other libraries."""
    required_by: tuple[RName, ...]
    """The packages on the cluster that require it, sorted."""


def explain_r(
    selection: RSelection, name: str, *, snapshot: Snapshot, whitelist: FilterList, blacklist: FilterList
) -> RExplanation:
    """Everything about the R package `name` in a `selection` made from these same values.

    A name in another case is understood where only one package has it.
    Raises FilterError where the cluster has no such package.
    """
    effective = mirrored_copies(snapshot.inventory.r_packages)
    alike = [each for each in effective if each.lower() == name.lower()]
    wanted = name if name in effective else alike[0] if len(alike) == 1 else None
    if wanted is None:
        raise FilterError(
            f"The cluster has no R package {name}.", remedy="The fate table of the mirror lists all that it has."
        )
    copy = effective[wanted]
    decisions = [decision for decision in selection.decisions if decision.name == wanted]
    decision = next(each for each in decisions if each.library == copy.library)
    rules = r_rulebook(effective, mode=selection.mode, whitelist=whitelist, blacklist=blacklist)
    return RExplanation(
        name=wanted,
        decision=decision,
        opinions=tuple(Opinion(verdict=verdict, rule=rule) for verdict, rule in rules.rulings(copy)),
        hidden=tuple(each for each in decisions if each is not decision),
        required_by=tuple(sorted(other for other, found in effective.items() if wanted in found.depends)),
    )
