"""The whitelist and the blacklist of R packages: as Python's, with names compared as R does, letter by letter."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from dbmirror.config import FILE_NAME, FilterConfig, FilterEntry
from dbmirror.filters.errors import FilterError
from dbmirror.filters.lists import NAMES, Entry, FilterList
from dbmirror.filters.model import Verdict

_VERDICTS = {"whitelist": Verdict.KEEP, "blacklist": Verdict.DROP}
_PATTERN = re.compile(r"[A-Za-z*?][A-Za-z0-9.*?]*")


def load_r(name: str, additions: FilterConfig | None = None, *, origin: str = FILE_NAME) -> FilterList:
    """R's list `name` with the user's `additions` (`[[filters.r_…]]` of the file `origin`) in front.

    Raises FilterError where there is no such list, or a pattern cannot be that of an R package's name.
    """
    if name not in NAMES:
        raise FilterError(f"There is no filter list {name!r}.", remedy=f"The lists are {' and '.join(NAMES)}.")
    own: tuple[FilterEntry, ...] = getattr(additions, f"r_{name}") if additions else ()
    return FilterList(name=name, entries=(*_user_entries(name, own, origin), *_built_in_entries(name)))


def _user_entries(name: str, entries: tuple[FilterEntry, ...], origin: str) -> Iterator[Entry]:
    for entry in entries:
        if not _PATTERN.fullmatch(entry.name):
            raise FilterError(
                f"{origin}: an entry of filters.r_{name} is not usable: {entry.name!r} cannot match the name of any "
                "R package.",
                remedy="Use letters, digits and '.', with '*' and '?' as wildcards.",
            )
        yield Entry(
            pattern=entry.name,
            verdict=entry.verdict or _VERDICTS[name],
            reason=" ".join(entry.reason.split()),
            origin=origin,
        )


def _built_in_entries(name: str) -> Iterator[Entry]:
    text = files(__package__).joinpath(f"r_{name}.toml").read_text(encoding="utf-8")
    document: dict[str, Any] = tomllib.loads(text)
    for group in document["group"]:
        for names, reason in group["entries"]:
            for pattern in names.split():
                yield Entry(pattern=pattern, verdict=_VERDICTS[name], reason=reason, group=group["title"])
