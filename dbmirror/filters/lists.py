"""The whitelist and the blacklist: entries with a reason each, the user's own before those that dbmirror brings."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.resources import files
from typing import Any

from dbmirror.config import FILE_NAME, FilterConfig, FilterEntry
from dbmirror.filters.errors import FilterError
from dbmirror.filters.model import Rule, Verdict

NAMES = ("whitelist", "blacklist")
BUILT_IN = "dbmirror"
_VERDICTS = {"whitelist": Verdict.KEEP, "blacklist": Verdict.DROP}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a list."""

    pattern: str
    """A PEP 503 name, in which `*` and `?` stand for any characters and any one character."""
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
        """Whether it speaks of the package `name` (PEP 503 form)."""
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


def load(name: str, additions: FilterConfig | None = None, *, origin: str = FILE_NAME) -> FilterList:
    """The list `name` with the user's `additions` (read from the file `origin`) in front.

    Raises FilterError where there is no such list, or a pattern cannot be that of a package's name.
    """
    if name not in NAMES:
        raise FilterError(f"There is no filter list {name!r}.", remedy=f"The lists are {' and '.join(NAMES)}.")
    own: tuple[FilterEntry, ...] = getattr(additions, name) if additions else ()
    return FilterList(name=name, entries=(*_user_entries(name, own, origin), *_built_in_entries(name)))


def normalise_pattern(pattern: str) -> str:
    """`pattern` in PEP 503 form: lower case, with one `-` for each run of `-`, `_` and `.`.

    Raises ValueError where it holds anything but letters, digits, `-`, `_`, `.`, `*` and `?`.
    """
    if not re.fullmatch(r"[A-Za-z0-9*?]([A-Za-z0-9._*?-]*[A-Za-z0-9*?])?", pattern):
        raise ValueError(f"{pattern!r} cannot match the name of any package")
    return re.sub(r"[-_.]+", "-", pattern).lower()


def _user_entries(name: str, entries: Iterable[FilterEntry], origin: str) -> Iterator[Entry]:
    for entry in entries:
        try:
            pattern = normalise_pattern(entry.name)
        except ValueError as error:
            raise FilterError(
                f"{origin}: an entry of filters.{name} is not usable: {error}.",
                remedy="Use letters, digits, '-', '_' and '.', with '*' and '?' as wildcards.",
            ) from error
        yield Entry(
            pattern=pattern,
            verdict=entry.verdict or _VERDICTS[name],
            reason=" ".join(entry.reason.split()),
            origin=origin,
        )


def _built_in_entries(name: str) -> Iterator[Entry]:
    document: dict[str, Any] = tomllib.loads(files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8"))
    for group in document["group"]:
        for names, reason in group["entries"]:
            for pattern in names.split():
                yield Entry(
                    pattern=normalise_pattern(pattern), verdict=_VERDICTS[name], reason=reason, group=group["title"]
                )
