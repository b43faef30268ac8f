"""What a filter says of each R package: kept or dropped, and the rule that said so."""

from __future__ import annotations

from dataclasses import dataclass

from dbmirror.filters.model import Rule, Verdict
from dbmirror.inventory.model import Path, RName, RPackage, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class RDecision:
    """What was decided of one R package of the inventory. Name and library identify it."""

    name: RName
    version: Text
    library: Path
    verdict: Verdict
    rule: Rule
    """Named `blacklist`, `whitelist`, `required-by`, `notebook`, `r-itself`, `platform`, `shadowed` or `default`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RSelection:
    """One decision for each R package of a snapshot, in the inventory's order."""

    snapshot: Text
    """Digest of the snapshot."""
    mode: Text
    """`blacklist` or `whitelist`."""
    decisions: tuple[RDecision, ...]
    kept: tuple[RPackage, ...]
    """The packages to mirror: at most one a name, sorted by name."""
