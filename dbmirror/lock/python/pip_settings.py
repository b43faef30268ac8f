"""The indexes of pip: its files, then its variables."""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dbmirror.lock.errors import IndexConfigurationError
from dbmirror.lock.python.index_location import ARCHIVES, IndexLocation, location, place_of_files

_KEYS = ("index-url", "extra-index-url", "no-index", "keyring-provider", "find-links")
_TRUE = {"1", "true", "yes", "on", "t", "y"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PipIndexes:
    """What pip would ask: its main index first, then the extra ones."""

    indexes: tuple[IndexLocation, ...] = ()
    has_default: bool = False
    """The main index is among them."""
    no_index: str | None = None
    """What says that no index is to be asked."""
    places: tuple[IndexLocation, ...] = ()
    """Pages of links and folders (`find-links`)."""
    notes: tuple[str, ...] = ()


def pip_indexes(environment: Mapping[str, str], *, home: Path) -> PipIndexes:
    """What pip would ask. Raises IndexConfigurationError where a file or an address is not usable."""
    found = _settings(environment, home)
    main = found.get("index-url")
    extra = found.get("extra-index-url", ("", ""))
    keyring = found.get("keyring-provider", ("", ""))[0] in {"subprocess", "import"}
    named = [*([main] if main else []), *((url, extra[1]) for url in extra[0].split())]
    no_index, links = found.get("no-index", ("", "")), found.get("find-links")
    return PipIndexes(
        indexes=tuple(replace(location(url, origin), keyring=keyring) for url, origin in named),
        has_default=main is not None,
        no_index=no_index[1] if no_index[0].lower() in _TRUE else None,
        places=tuple(
            replace(place_of_files(place, links[1]), keyring=keyring)
            for place in (links[0].split() if links else ())
            if not place.endswith(ARCHIVES)
        )
        if links
        else (),
    )


def _settings(environment: Mapping[str, str], home: Path) -> dict[str, tuple[str, str]]:
    """Each of pip's settings with what set it.

    As pip reads them: of one section the last file counts, [install] counts more than [global] whatever the file, and
    a variable more than both; an empty one says nothing.
    """
    sections: dict[str, dict[str, tuple[str, str]]] = {"global": {}, "install": {}}
    for path in _files(environment, home):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError) as error:
            raise IndexConfigurationError(
                f"{path} is not a pip configuration file: {type(error).__name__}.",
                remedy="Mend it, or set 'url' in the [index] section of dbmirror.toml.",
            ) from error
        for section, values in sections.items():
            for key in _KEYS:
                value = parser.get(section, key, fallback="") or parser.get(section, key.replace("-", "_"), fallback="")
                if value.strip():
                    values[key] = (value.strip(), str(path))
    variables = {
        key: (environment[name], name)
        for key in _KEYS
        if environment.get(name := "PIP_" + key.upper().replace("-", "_"), "").strip()
    }
    return sections["global"] | sections["install"] | variables


def _files(environment: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Pip's files, the one that counts most last; PIP_CONFIG_FILE counts most, and os.devnull there silences all."""
    named = environment.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return
    system = [Path(place) / "pip" / "pip.conf" for place in _system_folders(environment)]
    user = Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"
    own = [] if named and Path(named).is_file() else [home / ".pip" / "pip.conf", user]
    site = Path(sys.prefix) / "pip.conf"
    last = [Path(named)] if named else []
    yield from (path for path in (*system, Path("/etc/pip.conf"), *own, site, *last) if path.is_file())


def _system_folders(environment: Mapping[str, str]) -> list[str]:
    return [place for place in environment.get("XDG_CONFIG_DIRS", "/etc/xdg").split(os.pathsep) if place]
