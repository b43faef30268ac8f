"""Which CRAN-like repositories are asked: those of dbmirror.toml, else those that R's own variables name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from dbmirror.config import RConfig
from dbmirror.http_client.logins import Feed, Logins
from dbmirror.lock.r.errors import RepositoryConfigurationError
from dbmirror.runtimes.lookup import known_versions, lookup

VARIABLES = ("R_REPOS", "RENV_CONFIG_REPOS_OVERRIDE", "RSPM", "CRAN")
"""Variables that name repositories, separated by blanks: the first that does counts."""
REMEDY = (
    "Name a CRAN-like repository with 'repositories' in the [r] section of dbmirror.toml, best the one of the day that "
    "the runtime was filled on."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryLocation:
    """One CRAN-like repository: the folder or address above `src/contrib`."""

    url: str
    """Without credentials and without a slash at the end; `file://…` for a folder of this machine."""
    origin: str
    """What named it: a variable, a setting."""
    binary: bool = False
    """It has packages built for the image's distribution."""
    cloned: bool = False
    """Only dbmirror.toml names it, which may have come with a clone."""
    credentials: tuple[str, str] | None = field(default=None, repr=False)
    """User and password out of its URL; those of a netrc file are looked up with each request."""

    @property
    def folder(self) -> Path | None:
        """The folder of this machine that it is, if it is one."""
        return Path(unquote(urlsplit(self.url).path)) if self.url.startswith("file://") else None

    @property
    def feed(self) -> str:
        """The address under which its login is known."""
        return self.url + "/"

    @property
    def host(self) -> str:
        """What messages call it: its host name, or its folder."""
        return urlsplit(self.url).hostname or str(self.folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositorySettings:
    """The repositories, in the order in which they are asked."""

    repositories: tuple[RepositoryLocation, ...] = ()
    notes: tuple[str, ...] = ()
    """Sentences on what was set and is not used, and why."""

    @property
    def urls(self) -> tuple[str, ...]:
        """The addresses of the sources, without credentials."""
        return tuple(each.url for each in self.repositories if not each.binary)

    def logins(self, own_servers: Iterable[str] = ()) -> Logins:
        """The login of each repository, for its own origin; `own_servers` on this machine may be asked, too."""
        feeds = [
            Feed(
                url=each.feed,
                user=each.credentials and each.credentials[0],
                password=(each.credentials and each.credentials[1]) or None,
                cloned=each.cloned,
            )
            for each in self.repositories
            if each.folder is None
        ]
        return Logins([*feeds, *(Feed(url=url) for url in own_servers)])


def find_repositories(
    config: RConfig,
    *,
    root: Path,
    runtime: str,
    distribution: str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> RepositorySettings:
    """The repositories to ask for the packages of `runtime` (`17.3`) in an image of `distribution` (`ubuntu-24.04`).

    First the binary one of `[r] binary_repositories` for that distribution, then the dated one of `[r] snapshot_url`,
    then `[r] repositories` (a relative folder starts at `root`); where dbmirror.toml names none of the last two, those
    of the first of VARIABLES that names any. There may be none at all.
    Raises RepositoryConfigurationError where a setting is no address, or dbmirror.toml holds credentials.
    """
    day = config.snapshot_date or _filled_on(runtime)
    notes: list[str] = []
    named: list[RepositoryLocation] = []
    binary = config.binary_repositories.get(distribution or "")
    if binary is not None and (url := _dated(binary, day, runtime, notes)):
        named.append(_location(url, f"[r.binary_repositories] {distribution}", root, binary=True))
    if config.snapshot_url is not None and (url := _dated(config.snapshot_url, day, runtime, notes)):
        named.append(_location(url, "[r] snapshot_url", root))
    named.extend(_location(written, "[r] repositories", root) for written in config.repositories)
    if config.snapshot_url is None and not config.repositories:
        named.extend(_from_environment(environment, root))
    unique = {(each.url, each.binary): each for each in reversed(named)}
    return RepositorySettings(repositories=tuple(reversed(unique.values())), notes=tuple(dict.fromkeys(notes)))


def _filled_on(runtime: str) -> date | None:
    return lookup(runtime).cran if runtime in known_versions() else None


def _dated(template: str, day: date | None, runtime: str, notes: list[str]) -> str | None:
    if "{date}" not in template:
        return template
    if day is None:
        notes.append(
            f"No source states the day that runtime {runtime} was filled on: {template} is passed over. "
            "'snapshot_date' in the [r] section of dbmirror.toml sets one."
        )
        return None
    return template.replace("{date}", day.isoformat())


def _from_environment(environment: Mapping[str, str], root: Path) -> Iterator[RepositoryLocation]:
    for variable in VARIABLES:
        # R itself has a placeholder (@CRAN@) where others have an address.
        words = [word for word in environment.get(variable, "").split() if word.startswith(("http", "file:", "/"))]
        if words:
            yield from (_location(word, variable, root) for word in words)
            return


def _location(written: str, origin: str, root: Path, *, binary: bool = False) -> RepositoryLocation:
    remedy = "Give the address above src/contrib, such as https://cran.example, or a folder."
    if written.startswith("file:") or not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", written):
        path = Path(unquote(urlsplit(written).path)) if written.startswith("file:") else Path(written).expanduser()
        folder = quote(os.path.normpath(root / path))
        return RepositoryLocation(url=f"file://{folder}", origin=origin, binary=binary)
    try:
        parts = urlsplit(written)
        host, port = parts.hostname, parts.port
    except ValueError:
        # What urllib says of a malformed address may repeat a part of its password.
        raise RepositoryConfigurationError(f"{origin} names no usable repository address.", remedy=remedy) from None
    if parts.scheme not in {"http", "https"} or not host or not re.fullmatch(r"[!-~]+", written):
        raise RepositoryConfigurationError(f"{origin} names no http or https address and no folder.", remedy=remedy)
    if parts.username and origin.startswith("[r"):
        raise RepositoryConfigurationError(
            f"{origin} in dbmirror.toml holds credentials.",
            remedy="Take them out: they belong into ~/.netrc or a variable such as R_REPOS.",
        )
    place = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
    path_part = re.sub(r"/+(src/contrib/?)?\Z", "", parts.path)
    return RepositoryLocation(
        url=urlunsplit((parts.scheme, place, path_part, "", "")),
        origin=origin,
        binary=binary,
        cloned=origin.startswith("[r"),
        credentials=(unquote(parts.username), unquote(parts.password or "")) if parts.username else None,
    )
