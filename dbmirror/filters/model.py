"""What a filter says of each package: kept or dropped, and the rule that said so."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dbmirror.inventory.model import Distribution, Layer, Name, Problem, Text


class Verdict(StrEnum):
    """What a rule does with the packages that it matches."""

    KEEP = "keep"
    DROP = "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One reason to keep or drop: an entry of a list, or one of the rules that no list can override."""

    name: Text
    """`blacklist`, `whitelist`, `required-by`, `repl`, `shadowed`, `default`, `edge`, `other-notebook`."""
    pattern: Text
    """The glob that matched, or what else identified the package (`numpy` that requires it, …)."""
    reason: Text
    """A sentence."""
    origin: Text = "dbmirror"
    """`dbmirror` for what is built in, else the file that holds the entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided of one distribution of the inventory. Name, version, layer and location identify it."""

    name: Name
    version: Text
    layer: Layer
    location: Text
    verdict: Verdict
    rule: Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """One decision for each distribution of a snapshot, in the inventory's order."""

    snapshot: Text
    """Digest of the snapshot."""
    mode: Text
    """`blacklist` or `whitelist`."""
    decisions: tuple[Decision, ...]
    kept: tuple[Distribution, ...]
    """The distributions to mirror: at most one a name, sorted by name."""
    problems: tuple[Problem, ...] = ()
    """The inventory's problems, handed on: they get their fate in the lock."""
