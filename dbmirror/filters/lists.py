"""The whitelist and the blacklist: entries with a reason each, the user's own before those that dbmirror brings."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Any

from dbmirror.config import FILE_NAME, FilterConfig, FilterEntry
from dbmirror.filters.errors import FilterError
from dbmirror.filters.model import Rule, Verdict

NAMES = ("whitelist", "blacklist")
BUILT_IN = "dbmirror"
_VERDICTS = {"whitelist": Verdict.KEEP, "blacklist": Verdict.DROP}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """How a language's entries are written."""

    prefix: str
    """What its lists' names begin with, in dbmirror.toml and among the files of this folder: `r_`, or nothing."""
    normalise: Callable[[str], str]
    """Gives a pattern as names are compared. Raises ValueError where no package can have such a name."""
    characters: str
    """What a pattern may hold, for messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a list."""

    pattern: str
    """A name, in which `*` and `?` stand for any characters and any one character."""
    verdict: Verdict
    reason: str
    origin: str = BUILT_IN
    """`dbmirror`, or the file that holds the entry."""
    group: str = ""
    """The heading that the entry stands under in the list that dbmirror brings."""

    @property
    def is_built_in(self) -> bool:
        """Whether dbmirror brings it."""
        return self.origin == BUILT_IN

    def matches(self, name: str) -> bool:
        """Whether it speaks of the package `name` (as its language compares names)."""
        return fnmatchcase(name, self.pattern)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterList:
    """A list as it holds for one run: the user's entries first, then those that dbmirror brings."""

    name: str
    """`whitelist` or `blacklist`."""
    entries: tuple[Entry, ...]

    def matching(self, name: str) -> Iterator[Entry]:
        """Every entry that matches `name`, in order: the first one counts."""
        return (entry for entry in self.entries if entry.matches(name))

    def rule(self, entry: Entry) -> Rule:
        """`entry` as the rule of a decision."""
        return Rule(name=self.name, pattern=entry.pattern, reason=entry.reason, origin=entry.origin)


def load(
    name: str, spelling: Spelling, additions: FilterConfig | None = None, *, origin: str = FILE_NAME
) -> FilterList:
    """The list `name` of one language, with the user's `additions` (read from the file `origin`) in front.

    Raises FilterError where there is no such list, or a pattern cannot be that of a package's name.
    """
    if name not in NAMES:
        raise FilterError(f"There is no filter list {name!r}.", remedy=f"The lists are {' and '.join(NAMES)}.")
    own: tuple[FilterEntry, ...] = getattr(additions, spelling.prefix + name) if additions else ()
    return FilterList(
        name=name, entries=(*_user_entries(name, own, spelling, origin), *_built_in_entries(name, spelling))
    )


def _user_entries(name: str, entries: Iterable[FilterEntry], spelling: Spelling, origin: str) -> Iterator[Entry]:
    for entry in entries:
        try:
            pattern = spelling.normalise(entry.name)
        except ValueError as error:
            raise FilterError(
                f"{origin}: an entry of filters.{spelling.prefix}{name} is not usable: {error}.",
                remedy=f"Use {spelling.characters}, with '*' and '?' as wildcards.",
            ) from error
        yield Entry(
            pattern=pattern,
            verdict=Verdict(entry.verdict) if entry.verdict else _VERDICTS[name],
            reason=" ".join(entry.reason.split()),
            origin=origin,
        )


@cache
def _built_in_entries(name: str, spelling: Spelling) -> tuple[Entry, ...]:
    text = files(__package__).joinpath(f"{spelling.prefix}{name}.toml").read_text(encoding="utf-8")
    document: dict[str, Any] = tomllib.loads(text)
    return tuple(
        Entry(pattern=spelling.normalise(pattern), verdict=_VERDICTS[name], reason=reason, group=group["title"])
        for group in document["group"]
        for names, reason in group["entries"]
        for pattern in names.split()
    )
