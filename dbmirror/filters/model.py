"""What a filter says of each package: kept or dropped, and the rule that said so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Generic

from dbmirror.inventory.layers import Layer, P
from dbmirror.inventory.model import Problem, Text


class Verdict(StrEnum):
    """What a rule does with the packages that it matches."""

    KEEP = "keep"
    DROP = "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One reason to keep or drop: an entry of a list, or one of the rules that no list can override."""

    name: Text
    """`blacklist`, `whitelist`, `required-by`, `shadowed`, `default`, `other-notebook`, `flavour`; of Python alone
    `repl` and `edge`, of R alone `notebook`, `r-itself` and `platform`."""
    pattern: Text
    """The glob that matched, or what else identified the package (`numpy` that requires it, …)."""
    reason: Text
    """A sentence."""
    origin: Text = "dbmirror"
    """`dbmirror` for what is built in, else the file that holds the entry."""


Ruling = tuple[Verdict, Rule]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided of one package of the inventory. Name, version, layer and location identify it."""

    name: Text
    version: Text
    layer: Layer
    location: Text
    """The folder that holds it: of R its library."""
    verdict: Verdict
    rule: Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection(Generic[P]):
    """One decision for each package of one language in a snapshot, in the inventory's order."""

    snapshot: Text
    """Digest of the snapshot."""
    mode: Text
    """`blacklist` or `whitelist`."""
    decisions: tuple[Decision, ...]
    kept: tuple[P, ...]
    """The packages to mirror: at most one a name, sorted by name."""
    problems: tuple[Problem, ...] = ()
    """The inventory's problems, handed on with Python's packages: they get their fate in the lock."""


def keep_nothing(selection: Selection[P], rule: Rule) -> Selection[P]:
    """`selection` with every package that it kept dropped by `rule`."""
    decisions = tuple(
        replace(decision, verdict=Verdict.DROP, rule=rule) if decision.verdict is Verdict.KEEP else decision
        for decision in selection.decisions
    )
    return replace(selection, decisions=decisions, kept=())
