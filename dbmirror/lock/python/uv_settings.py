"""The indexes of uv: its variables, then its files, in the order in which `uv pip` asks them."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from dbmirror.clones.allowed_settings import require_login_kept, stranger_above
from dbmirror.files import read_settings
from dbmirror.lock.errors import IndexConfigurationError
from dbmirror.lock.python.index_location import ARCHIVES, IndexLocation, checked, location, place_of_files
from dbmirror.lock.python.uv_sources import indexes_of_packages

_NAMED = re.compile(r"\A([A-Za-z0-9_.-]+)=(?=[a-z]+:|[./])")
_FORBIDDEN_MEANS_MISSING = "pytorch.org"
"""uv takes 403 from hosts that end so for 'not here': that is what PyTorch's index answers."""
_HARMLESS = {"index-strategy": "first-index", "keyring-provider": "disabled"}
"""The only value of each that a project's file may choose. Another strategy lets a public index serve a name that a
private one has, and the keyring is a program."""
_TRUE = {"1", "true", "yes", "on", "t", "y"}
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class UvIndexes:
    """What uv would ask, in order, its default index last."""

    indexes: tuple[IndexLocation, ...] = ()
    has_default: bool = False
    """A default index is among them, or there is to be none."""
    first_index: bool = True
    """Its strategy is its own, `first-index`."""
    no_index: str | None = None
    """The file that says that no index is to be asked."""
    named: bool = False
    """Any variable or file of uv says something about indexes."""
    pinned: tuple[tuple[str, IndexLocation], ...] = ()
    """Name of each package that the project takes from one index alone (`[tool.uv.sources]`), and that index."""
    places: tuple[IndexLocation, ...] = ()
    """Pages of links and folders (`find-links`, indexes of the format `flat`)."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One index as it is named."""

    index: IndexLocation
    name: str | None = None
    default: bool = False
    explicit: bool = False
    cloned: bool = False
    """A file of the project names it, which came with the repository."""


@dataclass(frozen=True, slots=True)
class _Table:
    """uv's settings out of one file."""

    path: Path
    settings: Mapping[str, Any]
    cloned: bool = False
    """It is the project's, which came with the repository."""


def uv_indexes(environment: Mapping[str, str], *, home: Path, folder: Path) -> UvIndexes:
    """What uv would ask in `folder`. Raises IndexConfigurationError where a file or an address is not usable.

    The variables come before the files; of the files those of the project before the user's before the system's;
    `[[index]]` before `extra-index-url`. Of two indexes with one name the first counts.
    """
    tables = list(_tables(environment, home=home, folder=folder))
    entries = [*_of_environment(environment, folder), *_of_files(tables)]
    own = frozenset(_origin(entry) for entry in entries if not entry.cloned)
    entries = _first_of_each_name(entries)
    strategy = _setting("index-strategy", environment, tables) or _HARMLESS["index-strategy"]
    keyring = _setting("keyring-provider", environment, tables)
    default = next((entry for entry in entries if entry.default), None)
    asked = [entry for entry in entries if not entry.default and not entry.explicit]
    if default is not None and not default.explicit:
        asked.append(default)
    indexes = tuple(_with_login(entry, environment, keyring == "subprocess", own=own) for entry in asked)
    known = {entry.name: entry for entry in entries if entry.name is not None}
    sources = list(_sources(environment, folder))
    places = tuple(replace(each, keyring=keyring == "subprocess") for each in _places(environment, tables, folder))
    return UvIndexes(
        places=places,
        indexes=indexes,
        has_default=default is not None,
        first_index=strategy == _HARMLESS["index-strategy"],
        no_index=next((str(table.path) for table in tables if _value(table, "no-index", bool)), None),
        named=bool(entries or places),
        pinned=tuple(
            (name, _with_login(known[index], environment, keyring == "subprocess", own=own))
            for name, index in sources
            if index in known
        ),
        notes=(
            *_notes(tables, environment),
            *(f"{name} is to come from the index {i}, which nothing names." for name, i in sources if i not in known),
        ),
    )


def _sources(environment: Mapping[str, str], folder: Path) -> Iterator[tuple[str, str]]:
    """The sources of the nearest project, as `indexes_of_packages` gives them."""
    if any(environment.get(name, "").lower() in _TRUE for name in ("UV_NO_SOURCES", "UV_NO_CONFIG")):
        return
    for place in (folder, *folder.parents):
        if (file := place / "pyproject.toml").is_file():
            tool = _read(file).get("tool")
            if isinstance(tool, Mapping) and isinstance(tool.get("uv"), Mapping):
                _require_own(file, folder)
                yield from indexes_of_packages(tool["uv"])
                return


def _of_environment(environment: Mapping[str, str], folder: Path) -> Iterator[_Entry]:
    for variable, default in (("UV_DEFAULT_INDEX", True), ("UV_INDEX_URL", True), ("UV_INDEX", False)):
        for word in environment.get(variable, "").split():
            yield _entry(word, variable, folder, default=default)
    for word in environment.get("UV_EXTRA_INDEX_URL", "").split():
        yield _entry(word, "UV_EXTRA_INDEX_URL", folder)


def _of_files(tables: Sequence[_Table]) -> Iterator[_Entry]:
    for table in tables:
        for item in _value(table, "index", list, own_only=True) or []:
            if isinstance(item, Mapping) and isinstance(item.get("url"), str) and item.get("format") != "flat":
                entry = _entry(item["url"], str(table.path), table.path.parent, default=item.get("default") is True)
                codes = item.get("ignore-error-codes")
                index = replace(entry.index, ignored_statuses=entry.index.ignored_statuses | _statuses(codes))
                name = item.get("name") if isinstance(item.get("name"), str) else None
                explicit = item.get("explicit") is True
                yield replace(entry, index=index, name=name, explicit=explicit, cloned=table.cloned)
    for section in ("pip", None):
        for table in tables:
            listed = _in(table, section).get("extra-index-url")
            for url in listed if isinstance(listed, list) else ():
                yield replace(_entry(str(url), str(table.path), table.path.parent), cloned=table.cloned)
    for section in ("pip", None):
        for table in tables:
            if isinstance(url := _in(table, section).get("index-url"), str):
                entry = _entry(url, str(table.path), table.path.parent, default=True)
                yield replace(entry, cloned=table.cloned)


def _entry(written: str, origin: str, root: Path, *, default: bool = False) -> _Entry:
    name = match[1] if (match := _NAMED.match(written)) else None
    index = location(_NAMED.sub("", written), origin, root=root)
    if index.host.endswith(_FORBIDDEN_MEANS_MISSING):
        index = replace(index, ignored_statuses=frozenset({403}))
    return _Entry(index=index, name=name, default=default)


def _first_of_each_name(entries: Sequence[_Entry]) -> list[_Entry]:
    seen: set[str] = set()
    kept = []
    for entry in entries:
        if entry.name is None or entry.name not in seen:
            kept.append(entry)
        if entry.name is not None:
            seen.add(entry.name)
    return kept


def _with_login(
    entry: _Entry, environment: Mapping[str, str], keyring: bool, *, own: frozenset[tuple[str, str]]
) -> IndexLocation:
    """The index with its login. A project's file chooses none: uv's own variables say nothing of the host.

    Raises IndexConfigurationError where it says where a login of the user's goes, SettingNotAllowed where it would go
    there unencrypted; `own` are scheme and place of the indexes that the user names.
    """
    index = replace(entry.index, keyring=keyring)
    if entry.cloned:
        require_login_kept(index.url, origin=index.origin)
        keyring = keyring and not index.url.startswith("http:")
        index = replace(index, keyring=keyring, cloned=_origin(entry) not in own)
    if entry.name is None:
        return index
    variable = "UV_INDEX_" + re.sub(r"[^A-Z0-9]", "_", entry.name.upper())
    user, password = environment.get(f"{variable}_USERNAME"), environment.get(f"{variable}_PASSWORD")
    if entry.cloned and (user or password) and _origin(entry) not in own:
        raise IndexConfigurationError(
            f"{index.origin} sends the login in {variable}_* to {index.host}, and it came with the repository.",
            remedy=f"If it should go there, name the index yourself: UV_INDEX={entry.name}={index.url}, or in "
            "~/.config/uv/uv.toml.",
        )
    return replace(
        index,
        user=index.user if index.user is not None else checked(user, variable) if user else None,
        password=index.password if index.password is not None else checked(password, variable) if password else None,
    )


def _origin(entry: _Entry) -> tuple[str, str]:
    parts = urlsplit(entry.index.url)
    return parts.scheme, parts.netloc


def _tables(environment: Mapping[str, str], *, home: Path, folder: Path) -> Iterator[_Table]:
    """Uv's files, the one that counts most first."""
    if named := environment.get("UV_CONFIG_FILE"):
        yield _Table(Path(named), _read(folder / named))
        return
    if environment.get("UV_NO_CONFIG", "").lower() in _TRUE:
        return
    for place in (folder, *folder.parents):
        if (place / "uv.toml").is_file():
            _require_own(place / "uv.toml", folder)
            yield _Table(place / "uv.toml", _read(place / "uv.toml"), cloned=True)
            break
        if (place / "pyproject.toml").is_file():
            tool = _read(place / "pyproject.toml").get("tool")
            if isinstance(tool, Mapping) and isinstance(tool.get("uv"), Mapping):
                _require_own(place / "pyproject.toml", folder)
                yield _Table(place / "pyproject.toml", tool["uv"], cloned=True)
                break
    user = Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "uv" / "uv.toml"
    if user.is_file():
        yield _Table(user, _read(user))
    for name in (*environment.get("XDG_CONFIG_DIRS", "/etc/xdg").split(os.pathsep), "/etc"):
        system = Path(name) / "uv" / "uv.toml"
        if name and system.is_file():
            yield _Table(system, _read(system))
            break


def _require_own(path: Path, folder: Path) -> None:
    if (owner := stranger_above(path, folder)) is not None:
        raise IndexConfigurationError(
            f"{path} says where packages come from, and is of another account (user number {owner}).",
            remedy="Work in a folder with a uv.toml of your own, or set UV_NO_CONFIG=1.",
        )


def _read(path: Path) -> Mapping[str, Any]:
    remedy = "Mend it, or set 'url' in the [index] section of dbmirror.toml."
    try:
        return tomllib.loads(read_settings(path).decode("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise IndexConfigurationError(
            f"{path} is not a usable file of uv: {type(error).__name__}.", remedy=remedy
        ) from error


def _in(table: _Table, section: str | None) -> Mapping[str, Any]:
    found = table.settings if section is None else table.settings.get(section)
    return found if isinstance(found, Mapping) else {}


def _value(table: _Table, key: str, kind: type[T], *, own_only: bool = False) -> T | None:
    """What the file says of `key`: `[pip]` counts more."""
    sections = (None,) if own_only else ("pip", None)
    return next((value for each in sections if isinstance(value := _in(table, each).get(key), kind)), None)


def _first(tables: Sequence[_Table], key: str, kind: type[T]) -> T | None:
    for section in ("pip", None):
        for table in tables:
            if isinstance(value := _in(table, section).get(key), kind):
                return value
    return None


def _statuses(codes: object) -> frozenset[int]:
    return frozenset(code for code in codes if isinstance(code, int)) if isinstance(codes, list) else frozenset()


def _notes(tables: Sequence[_Table], environment: Mapping[str, str]) -> Iterator[str]:
    cloned = [str(table.path) for table in tables if table.cloned and next(_places_of(table), None) is not None]
    for place in cloned:
        yield (
            f"{place} names places of single files, which do not count: the file may have come with a clone. If you "
            "want them, set UV_FIND_LINKS, or find-links in ~/.config/uv/uv.toml."
        )
    yield from _not_for_a_clone(tables, environment)


def _places(environment: Mapping[str, str], tables: Sequence[_Table], folder: Path) -> Iterator[IndexLocation]:
    """The pages of links and folders that the user names; those of a project's file do not count."""
    for place in environment.get("UV_FIND_LINKS", "").replace(",", " ").split():
        if not place.endswith(ARCHIVES):
            yield place_of_files(place, "UV_FIND_LINKS", root=folder)
    for table in tables:
        if not table.cloned:
            yield from _places_of(table)


def _places_of(table: _Table) -> Iterator[IndexLocation]:
    listed = _value(table, "find-links", list) or []
    flat = [
        item.get("url")
        for item in _value(table, "index", list, own_only=True) or []
        if isinstance(item, Mapping) and item.get("format") == "flat"
    ]
    for place in (*listed, *flat):
        if isinstance(place, str) and not place.endswith(ARCHIVES):
            yield place_of_files(place, str(table.path), root=table.path.parent)


def _setting(key: str, environment: Mapping[str, str], tables: Sequence[_Table]) -> str | None:
    """The value of `key`, one of _HARMLESS: what the user says, unless the project's file chooses the harmless one."""
    if said := environment.get(_variable(key)):
        return said
    chosen = _first([table for table in tables if table.cloned], key, str)
    return chosen if chosen == _HARMLESS[key] else _first([table for table in tables if not table.cloned], key, str)


def _not_for_a_clone(tables: Sequence[_Table], environment: Mapping[str, str]) -> Iterator[str]:
    for key, harmless in _HARMLESS.items():
        for table in tables:
            said = _value(table, key, str)
            if table.cloned and said not in {None, harmless} and not environment.get(_variable(key)):
                yield (
                    f"{table.path} sets {key}, which does not count: the file may have come with a clone. If you want "
                    f"it, set {_variable(key)}, or {key} in ~/.config/uv/uv.toml."
                )


def _variable(key: str) -> str:
    return "UV_" + key.upper().replace("-", "_")
