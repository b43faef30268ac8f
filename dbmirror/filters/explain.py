"""All about one package of a selection: the rules that speak of it, its hidden copies, who requires it."""

from __future__ import annotations

from dataclasses import dataclass

from packaging.utils import canonicalize_name

from dbmirror.filters.errors import FilterError
from dbmirror.filters.lists import FilterList
from dbmirror.filters.model import Decision, Rule, Selection, Verdict
from dbmirror.filters.requirements import Need, marker_environment, requirers
from dbmirror.filters.selection import rulebook
from dbmirror.inventory.model import Name, Problem
from dbmirror.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What one rule says of the package."""

    verdict: Verdict
    rule: Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a package is mirrored or is not."""

    name: Name
    decision: Decision | None
    """Of the copy that imports on the driver get; None where there is none (all unreadable, or other notebooks')."""
    opinions: tuple[Opinion, ...]
    """Every rule that matches that copy, in the order in which they are asked: the first one won."""
    hidden: tuple[Decision, ...]
    """Its other copies: those that a nearer one shadows, and those of other notebooks."""
    required_by: tuple[Need, ...]
    """Who requires it on the cluster."""
    problems: tuple[Problem, ...]
    """Entries of that name which could not be read."""


def explain(
    selection: Selection,
    name: str,
    *,
    snapshot: Snapshot,
    whitelist: FilterList,
    blacklist: FilterList,
    runtime_repl: frozenset[str],
) -> Explanation:
    """Everything about the package `name` (in any spelling) in a `selection` made from these same values.

    Raises FilterError where the cluster has no such package.
    """
    wanted = canonicalize_name(name)
    decisions = [decision for decision in selection.decisions if decision.name == wanted]
    problems = tuple(problem for problem in selection.problems if problem.name == wanted)
    if not decisions and not problems:
        raise FilterError(
            f"The cluster has no package {wanted}.", remedy="The fate table of the mirror lists all that it has."
        )
    inventory = snapshot.inventory
    effective = inventory.effective(_notebook_environment(selection))
    rules = rulebook(
        inventory, effective, mode=selection.mode, whitelist=whitelist, blacklist=blacklist, repl=runtime_repl
    )
    visible = effective.get(wanted)
    opinions = tuple(Opinion(verdict=v, rule=r) for v, r in rules.rulings(visible)) if visible else ()
    hidden = tuple(d for d in decisions if d.rule.name in {"shadowed", "other-notebook"})
    return Explanation(
        name=wanted,
        decision=next((decision for decision in decisions if decision not in hidden), None),
        opinions=opinions,
        hidden=hidden,
        required_by=requirers(wanted, effective, marker_environment(inventory)),
        problems=problems,
    )


def _notebook_environment(selection: Selection) -> str | None:
    """The notebook environment that the selection was made for: the one whose copies were not left out."""
    return next(
        (d.location for d in selection.decisions if d.layer == "notebook" and d.rule.name != "other-notebook"), None
    )
