"""All about one package of a selection: the rules that speak of it, its hidden copies, who requires it."""

from __future__ import annotations

from dataclasses import dataclass

from dbmirror.filters.errors import FilterError
from dbmirror.filters.language import Language
from dbmirror.filters.model import Decision, Rule, Selection, Verdict
from dbmirror.filters.needs import Need, requirers
from dbmirror.filters.rulebook import Lists, rulebook
from dbmirror.inventory.layers import P
from dbmirror.inventory.model import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What one rule says of the package."""

    verdict: Verdict
    rule: Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a package is mirrored or is not."""

    name: str
    """As its language compares names."""
    decision: Decision | None
    """Of the copy that the image would get; None where there is none (all unreadable, or other notebooks')."""
    opinions: tuple[Opinion, ...]
    """Every rule that matches that copy, in the order in which they are asked: the first one won."""
    hidden: tuple[Decision, ...]
    """Its other copies: those that a nearer one shadows, and those of other notebooks."""
    required_by: tuple[Need, ...]
    """Who requires it on the cluster."""
    problems: tuple[Problem, ...]
    """Entries of that name which could not be read."""


def explain(selection: Selection[P], name: str, *, language: Language[P], lists: Lists) -> Explanation:
    """Everything about the package `name` (in any spelling) in a `selection` made from these same values.

    Raises FilterError where the cluster has no such package.
    """
    wanted = language.spelled(name)
    decisions = [decision for decision in selection.decisions if decision.name == wanted]
    problems = tuple(problem for problem in selection.problems if problem.name == wanted)
    if not decisions and not problems:
        raise FilterError(
            f"The cluster has no {language.a_package} {wanted}.",
            remedy="The fate table of the mirror lists all that it has.",
        )
    copy = language.effective.get(wanted)
    decision = next((each for each in decisions if copy is not None and _speaks_of(each, copy)), None)
    rulings = rulebook(language, lists).rulings(copy) if copy is not None else ()
    return Explanation(
        name=wanted,
        decision=decision,
        opinions=tuple(Opinion(verdict=verdict, rule=rule) for verdict, rule in rulings),
        hidden=tuple(each for each in decisions if each is not decision),
        required_by=requirers(wanted, language.effective, language.requires),
        problems=problems,
    )


def _speaks_of(decision: Decision, package: P) -> bool:
    return (decision.version, decision.layer, decision.location) == (package.version, package.layer, package.location)
