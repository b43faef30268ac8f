"""Which packages require which on the cluster, directly or not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Why a package is needed: who requires it."""

    requirer: str
    requirement: str | None = None
    """In which words: of Python the Requires-Dist line without its marker; None where the language has only names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Required:
    """One thing that a package requires."""

    name: str
    """As its language compares names."""
    extras: frozenset[str] = frozenset()
    words: str | None = None
    """The requirement as it is written, without any marker."""


Requires = Callable[[str, Collection[str]], Iterator[Required]]
"""What the installed package of a name requires with these extras; nothing where there is no such package."""


def needed_by(
    roots: Iterable[str], requires: Requires, *, follow: Callable[[str], bool] = lambda _name: True
) -> dict[str, Need]:
    """What `roots` require, directly or not: name to the first need found.

    A package for which `follow` is false does not come along, nor does what only it requires. Breadth first and in
    the order of names, so that the same cluster gives the same needs.
    """
    found: dict[str, Need] = {}
    level = [(name, frozenset[str]()) for name in sorted(set(roots))]
    seen: set[tuple[str, frozenset[str]]] = set(level)
    while level:
        deeper: set[tuple[str, frozenset[str]]] = set()
        for name, extras in level:
            for required in requires(name, extras):
                if follow(required.name):
                    found.setdefault(required.name, Need(requirer=name, requirement=required.words))
                    deeper.add((required.name, required.extras))
        level = sorted(deeper - seen, key=lambda step: (step[0], sorted(step[1])))
        seen.update(level)
    return found


def requirers(name: str, installed: Mapping[str, object], requires: Requires) -> tuple[Need, ...]:
    """Every package of `installed` that requires `name` without any extra, sorted by name."""
    return tuple(
        Need(requirer=other, requirement=required.words)
        for other in sorted(installed)
        for required in requires(other, ())
        if required.name == name
    )
