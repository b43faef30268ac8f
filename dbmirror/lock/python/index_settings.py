"""Which package indexes are asked: dbmirror.toml, uv's and pip's variables, pip's files, else the default one."""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from pypi_simple import PYPI_SIMPLE_ENDPOINT
from requests.utils import get_netrc_auth

from dbmirror.config import IndexConfig
from dbmirror.http_client.logins import Feed, Logins
from dbmirror.lock.errors import IndexConfigurationError

SYSTEM_PIP_FILES = (Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf"))
"""The global pip configuration files, the one that counts more last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexLocation:
    """One simple API (PEP 503, PEP 691)."""

    url: str
    """Without credentials, with a slash at the end."""
    origin: str
    """What named it: a variable, a file, a setting."""
    credentials: tuple[str, str] | None = field(default=None, repr=False)
    """User and password out of its URL; those of a netrc file are looked up with each request."""
    ignored_statuses: frozenset[int] = frozenset()
    """HTTP statuses that mean, for this index, that it does not have what it was asked for."""

    @property
    def host(self) -> str:
        """Its host name."""
        return urlsplit(self.url).hostname or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSettings:
    """The indexes, in the order in which they are asked, and the places that were named and cannot serve a build."""

    indexes: tuple[IndexLocation, ...]
    ignored: tuple[str, ...] = ()
    """`file:` locations: a build cannot see this machine's folders."""
    internal_hosts: frozenset[str] = frozenset()
    """Hosts inside the user's network that a cluster may name."""

    @property
    def urls(self) -> tuple[str, ...]:
        """The addresses, without credentials."""
        return tuple(index.url for index in self.indexes)

    def logins(self) -> Logins:
        """The login of each index, for its own origin."""
        return Logins(
            Feed(
                url=index.url,
                user=index.credentials and index.credentials[0],
                password=index.credentials and index.credentials[1],
            )
            for index in self.indexes
        )

    def netrc(self) -> bytes | None:
        """The credentials as a netrc file, as uv and pip read it in a build (a secret: never to be written to disk)."""
        lines = []
        for index in self.indexes:
            credentials = index.credentials or get_netrc_auth(index.url)
            if credentials:
                lines.append(f"machine {index.host} login {credentials[0]} password {credentials[1]}\n")
        return "".join(dict.fromkeys(lines)).encode() or None


def find_indexes(
    config: IndexConfig,
    *,
    environment: Mapping[str, str] = os.environ,
    home: Path | None = None,
    system_files: tuple[Path, ...] = SYSTEM_PIP_FILES,
) -> IndexSettings:
    """The indexes to ask, the main one first.

    It is the first that is named of `[index] url`, UV_DEFAULT_INDEX, UV_INDEX_URL, PIP_INDEX_URL, pip's files, and else
    the library's default. Further ones are `[index] extra_urls`, and unless `[index] url` is set those of UV_INDEX and
    UV_EXTRA_INDEX_URL, and unless uv's variables name the main one those of PIP_EXTRA_INDEX_URL or pip's files.
    Raises IndexConfigurationError where a setting is not an http or https address, holds credentials in
    dbmirror.toml, or a pip file is not readable.
    """
    pip = _pip_settings(environment, home or Path.home(), system_files)
    named: list[tuple[str, str]] = []
    if config.url:
        named.append((config.url, "[index] url"))
    else:
        primary = _first(environment, "UV_DEFAULT_INDEX", "UV_INDEX_URL")
        further = (*_words(environment, "UV_INDEX"), *_words(environment, "UV_EXTRA_INDEX_URL"))
        if primary is None:
            primary = pip.get("index-url")
            further = (
                *further,
                *((url, pip["extra-index-url"][1]) for url in pip.get("extra-index-url", ("", ""))[0].split()),
            )
        named.append(primary or (PYPI_SIMPLE_ENDPOINT, "the default"))
        named.extend(further)
    named.extend((url, "[index] extra_urls") for url in config.extra_urls)
    settings = _settings(named)
    ignored = frozenset(config.ignore_error_codes)
    return replace(
        settings,
        indexes=tuple(replace(index, ignored_statuses=ignored) for index in settings.indexes),
        internal_hosts=frozenset(config.internal_hosts),
    )


def _settings(named: list[tuple[str, str]]) -> IndexSettings:
    indexes: dict[str, IndexLocation] = {}
    ignored = []
    for written, origin in named:
        url = re.sub(r"\A[A-Za-z0-9_-]+=(?=[a-z]+:)", "", written)  # uv allows NAME=URL
        if url.startswith(("file:", "/", ".")):
            ignored.append(f"{url} ({origin})")
            continue
        location = _location(url, origin)
        if location.credentials and origin.startswith("[index]"):
            raise IndexConfigurationError(
                f"{origin} in dbmirror.toml holds credentials.",
                remedy="Take them out: they belong into ~/.netrc or a variable such as UV_DEFAULT_INDEX.",
            )
        indexes.setdefault(location.url, location)
    if not indexes:
        default = _location(PYPI_SIMPLE_ENDPOINT, "the default")
        indexes[default.url] = default
    return IndexSettings(indexes=tuple(indexes.values()), ignored=tuple(ignored))


def _location(url: str, origin: str) -> IndexLocation:
    remedy = "Give the address of a simple API, such as https://index.example/simple/."
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        # What urllib says of a malformed address may repeat a part of its password.
        raise IndexConfigurationError(f"{origin} names no usable index address.", remedy=remedy) from None
    if parts.scheme not in {"http", "https"} or not host or not re.fullmatch(r"[!-~]+", url):
        raise IndexConfigurationError(f"{origin} names no http or https address.", remedy=remedy)
    place = f"[{host}]" if ":" in host else host
    clean = urlunsplit((parts.scheme, place + (f":{port}" if port else ""), parts.path.rstrip("/") + "/", "", ""))
    credentials = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    if credentials and not all(re.fullmatch(r"[!-~]+", word) for word in credentials):
        raise IndexConfigurationError(
            f"{origin} names a user or a password that no netrc file can hold.",
            remedy="Use printable ASCII characters without blanks, and give both.",
        )
    return IndexLocation(url=clean, origin=origin, credentials=credentials)


def _first(environment: Mapping[str, str], *variables: str) -> tuple[str, str] | None:
    return next(((environment[name], name) for name in variables if environment.get(name)), None)


def _words(environment: Mapping[str, str], variable: str) -> tuple[tuple[str, str], ...]:
    return tuple((word, variable) for word in environment.get(variable, "").split())


def _pip_settings(
    environment: Mapping[str, str], home: Path, system_files: tuple[Path, ...]
) -> dict[str, tuple[str, str]]:
    """What pip has as index-url and extra-index-url with what set it: files first, then variables, later ones counting.

    As pip reads them: within a file [install] counts more than [global]; the file of PIP_CONFIG_FILE stands in place of
    the user's and counts more than the system's; os.devnull there silences all files.
    """
    found: dict[str, tuple[str, str]] = {}
    for path in _pip_files(environment, home, system_files):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError) as error:
            raise IndexConfigurationError(
                f"{path} is not a pip configuration file: {type(error).__name__}.",
                remedy="Mend it, or set 'url' in the [index] section of dbmirror.toml.",
            ) from error
        for section in ("global", "install"):
            for key in ("index-url", "extra-index-url"):
                value = parser.get(section, key, fallback="") or parser.get(section, key.replace("-", "_"), fallback="")
                if value.strip():
                    found[key] = (value.strip(), str(path))
    for key, variable in (("index-url", "PIP_INDEX_URL"), ("extra-index-url", "PIP_EXTRA_INDEX_URL")):
        if environment.get(variable):
            found[key] = (environment[variable], variable)
    return found


def _pip_files(environment: Mapping[str, str], home: Path, system_files: tuple[Path, ...]) -> Iterator[Path]:
    named = environment.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return
    user = Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"
    own = [Path(named)] if named and Path(named).is_file() else [home / ".pip" / "pip.conf", user]
    yield from (path for path in (*system_files, *own) if path.is_file())
