"""Which package indexes are asked, in which order, and which of them decides: as uv or pip would on this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path

from packaging.utils import canonicalize_name
from pypi_simple import PYPI_SIMPLE_ENDPOINT

from dbmirror.config import IndexConfig
from dbmirror.http_client.logins import Feed, Logins
from dbmirror.lock.errors import IndexConfigurationError
from dbmirror.lock.python.index_location import IndexLocation, location
from dbmirror.lock.python.pip_settings import PipIndexes, pip_indexes
from dbmirror.lock.python.uv_settings import UvIndexes, uv_indexes


class Choice(StrEnum):
    """Which index of a group decides about a package."""

    FIRST_INDEX = "the first index that has the package at any version"
    """uv's own rule: nobody can slip a package in by way of a later index."""
    FIRST_VERSION = "the first index that has the version"
    """uv's with `index-strategy = "unsafe-first-match"` or `"unsafe-best-match"`: all are asked."""
    BEST_FILE = "the index with the file that fits best; of equal ones the last"
    """pip's: all its indexes are one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexGroup:
    """Indexes that are asked in this order by one rule."""

    indexes: tuple[IndexLocation, ...]
    choice: Choice = Choice.FIRST_INDEX


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSettings:
    """The groups, asked one after the other: the first one that has a package decides about it."""

    groups: tuple[IndexGroup, ...]
    pinned: tuple[tuple[str, IndexLocation], ...] = ()
    """Glob of names, and the index that alone is asked for them."""
    places: tuple[IndexLocation, ...] = ()
    """Pages of links and folders, looked at beside the indexes for what is not pinned."""
    internal_hosts: frozenset[str] = frozenset()
    """Hosts inside the user's network that a cluster may name."""
    own_servers: tuple[str, ...] = ()
    """Servers on this machine that the user started for a cluster of the sandbox: it may name them."""
    notes: tuple[str, ...] = ()
    """Sentences on what was set and is not used."""

    @property
    def indexes(self) -> tuple[IndexLocation, ...]:
        """All indexes, each once, in the order in which they are asked."""
        named = [index for group in self.groups for index in group.indexes]
        return tuple({index.url: index for index in [*named, *(index for _, index in self.pinned)]}.values())

    @property
    def urls(self) -> tuple[str, ...]:
        """Their addresses and those of the pages of links, without credentials."""
        return (*(index.url for index in self.indexes), *(each.url for each in self.places if each.folder is None))

    @property
    def main(self) -> IndexLocation:
        """The default index of pip and uv: pip asks it first, uv last."""
        last = self.groups[-1]
        return last.indexes[0 if last.choice is Choice.BEST_FILE else -1]

    @property
    def places_win(self) -> bool:
        """Whether of two files that fit as well that of a place is taken: uv's rule, and not pip's."""
        return self.groups[-1].choice is not Choice.BEST_FILE

    def places_for(self, name: str) -> tuple[IndexLocation, ...]:
        """The pages and folders that are looked at for the package `name`: none where one index alone is asked."""
        return () if any(fnmatchcase(name, pattern) for pattern, _ in self.pinned) else self.places

    def groups_for(self, name: str) -> tuple[IndexGroup, ...]:
        """What is asked for the package `name` (normalised)."""
        pinned = next((index for pattern, index in self.pinned if fnmatchcase(name, pattern)), None)
        return self.groups if pinned is None else (IndexGroup(indexes=(pinned,)),)

    def logins(self) -> Logins:
        """The login of each index, for its own origin."""
        own = [Feed(url=url) for url in self.own_servers]
        return Logins([*(index.feed for index in (*self.indexes, *self.places) if index.folder is None), *own])


def find_indexes(
    config: IndexConfig,
    *,
    environment: Mapping[str, str] = os.environ,
    home: Path | None = None,
    folder: Path | None = None,
) -> IndexSettings:
    """The indexes to ask, as the user's own tools would, from `folder` (this one).

    | setting                   | its indexes are asked                   | Choice            |
    |---------------------------|-----------------------------------------|-------------------|
    | `[index.packages]`        | alone, for the packages that it names   |                   |
    | `[tool.uv.sources]`       | alone, for the packages that it names   |                   |
    | `[index] extra_urls`      | before all of those below               | FIRST_INDEX       |
    | `[index] url`             | alone                                   | FIRST_INDEX       |
    | uv's variables and files  | where `url` is not set                  | uv's own strategy |
    | pip's variables and files | where neither `url` nor uv names one    | BEST_FILE         |

    PyPI stands in for the default index that neither uv nor pip names. uv_settings.py and pip_settings.py have the
    names of the variables and files.

    Raises IndexConfigurationError where a setting is no address, dbmirror.toml holds credentials, or a file is not
    readable.
    """
    extra = tuple(_own(url, "[index] extra_urls") for url in config.extra_urls)
    pinned = tuple((_pattern(name), _own(url, "[index.packages]")) for name, url in config.packages.items())
    notes: tuple[str, ...] = ()
    places: tuple[IndexLocation, ...] = ()
    if config.url is not None:
        rest = IndexGroup(indexes=(_own(config.url, "[index] url"),))
    else:
        home, folder = home or Path.home(), folder or Path.cwd()
        uv = uv_indexes(environment, home=home, folder=folder)
        found: UvIndexes | PipIndexes = uv if uv.named else pip_indexes(environment, home=home)
        rest, notes, places = _group(found), found.notes, found.places
        pinned = (*pinned, *uv.pinned)
    groups = (*((IndexGroup(indexes=extra),) if extra else ()), rest)
    settings = IndexSettings(
        groups=groups,
        pinned=pinned,
        places=places,
        internal_hosts=frozenset(config.internal_hosts),
        notes=notes,
    )
    return _ignoring(settings, frozenset(config.ignore_error_codes))


def _group(found: UvIndexes | PipIndexes) -> IndexGroup:
    if isinstance(found, PipIndexes):
        indexes, choice = found.indexes, Choice.BEST_FILE
    else:
        indexes, choice = found.indexes, Choice.FIRST_INDEX if found.first_index else Choice.FIRST_VERSION
    if found.no_index:
        raise IndexConfigurationError(
            f"{found.no_index} says that no package index is to be asked.",
            remedy="Name one with 'url' in the [index] section of dbmirror.toml.",
        )
    if not found.has_default:
        default = location(PYPI_SIMPLE_ENDPOINT, "the default")
        indexes = (default, *indexes) if choice is Choice.BEST_FILE else (*indexes, default)
    # pip and uv ask an address once, where it is named first.
    unique: dict[str, IndexLocation] = {}
    for index in indexes:
        unique.setdefault(index.url, index)
    return IndexGroup(indexes=tuple(unique.values()), choice=choice)


def _own(url: str, origin: str) -> IndexLocation:
    found = location(url, origin)
    if found.user is not None:
        raise IndexConfigurationError(
            f"{origin} in dbmirror.toml holds credentials.",
            remedy="Take them out: they belong into ~/.netrc or a variable such as UV_DEFAULT_INDEX.",
        )
    return replace(found, cloned=True)


def _pattern(name: str) -> str:
    return canonicalize_name(name.replace("*", "0-star-0")).replace("0-star-0", "*")


def _ignoring(settings: IndexSettings, statuses: frozenset[int]) -> IndexSettings:
    def with_statuses(index: IndexLocation) -> IndexLocation:
        return replace(index, ignored_statuses=index.ignored_statuses | statuses)

    groups = tuple(replace(group, indexes=tuple(map(with_statuses, group.indexes))) for group in settings.groups)
    return replace(settings, groups=groups, pinned=tuple((name, with_statuses(at)) for name, at in settings.pinned))
