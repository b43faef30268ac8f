"""The fates: what becomes of a package that was found on the cluster, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from dbmirror.inventory.layers import Layer
from dbmirror.inventory.model import Text


class FateKind(StrEnum):
    """What becomes of a package."""

    MIRRORED = "mirrored"
    """In the image at exactly the cluster's version."""
    PROVIDED = "provided"
    """The base image has it at that version."""
    SUBSTITUTED = "substituted"
    """Something else stands in its place; the fate says what and why."""
    EXCLUDED = "excluded"
    """A rule keeps it out; the fate says which."""
    UNAVAILABLE = "unavailable"
    """No source has it; the fate says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What becomes of one package (or unreadable entry) of the inventory, of either language, and why."""

    name: Text
    version: Text
    """`unknown` for an entry whose metadata could not be read."""
    layer: Layer
    location: Text
    """The folder that holds it on the cluster: of R its library."""
    kind: FateKind
    reason: Text
    """One sentence: the source, the rule, or what is missing and what would help."""
    substitute: Text | None = None
    """What the image has instead, for `substituted`."""


def count_fates(fates: Iterable[Fate]) -> dict[FateKind, int]:
    """How many of `fates` are of each kind; a kind that none has counts 0."""
    counted = Counter(fate.kind for fate in fates)
    return {kind: counted[kind] for kind in FateKind}
