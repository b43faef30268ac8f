"""One package index: its address, its login, and what its answers mean."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from dbmirror.http_client.logins import Feed
from dbmirror.lock.errors import IndexConfigurationError

ARCHIVES = (".whl", ".tar.gz", ".zip")
"""How the name of a single file ends that `find-links` may name; one alone is not looked at."""
_REMEDY = "Give the address of a simple API, such as https://index.example/simple/."


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexLocation:
    """One simple API (PEP 503, PEP 691)."""

    url: str
    """Without credentials, with a slash at the end; `file:///…/` for a folder of this machine."""
    origin: str
    """What named it: a variable, a file, a setting."""
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    """Out of its URL or uv's variables; what netrc and the keyring have is looked up with the first request."""
    keyring: bool = False
    """The user's configuration asks for the keyring program."""
    cloned: bool = False
    """Only a file of the repository names it, which may have come with a clone."""
    ignored_statuses: frozenset[int] = frozenset()
    """HTTP statuses that mean, for this index, that it does not have what it was asked for."""
    is_users: bool = True
    """The user named it. What a cluster names gets no login and must be on the internet."""

    @property
    def host(self) -> str:
        """What messages call it: its host name, or its folder."""
        return urlsplit(self.url).hostname or str(self.folder)

    @property
    def folder(self) -> Path | None:
        """The folder of this machine that it is, if it is one."""
        return Path(unquote(urlsplit(self.url).path)) if self.url.startswith("file:") else None

    @property
    def feed(self) -> Feed:
        """Its login."""
        return Feed(url=self.url, user=self.user, password=self.password, keyring=self.keyring, cloned=self.cloned)


def location(written: str, origin: str, *, root: Path | None = None) -> IndexLocation:
    """The index that `written` names: an address, or a folder (a relative one starts at `root`).

    Raises IndexConfigurationError where it is neither.
    """
    if written.startswith(("file:", "/", ".")):
        path = Path(unquote(urlsplit(written).path)) if written.startswith("file:") else (root or Path.cwd()) / written
        return IndexLocation(url=path.absolute().as_uri().rstrip("/") + "/", origin=origin)
    try:
        parts = urlsplit(written)
        host, port = parts.hostname, parts.port
    except ValueError:
        # What urllib says of a malformed address may repeat a part of its password.
        raise IndexConfigurationError(f"{origin} names no usable index address.", remedy=_REMEDY) from None
    if parts.scheme not in {"http", "https"} or not host or not re.fullmatch(r"[!-~]+", written):
        raise IndexConfigurationError(f"{origin} names no http or https address.", remedy=_REMEDY)
    place = f"[{host}]" if ":" in host else host
    clean = urlunsplit((parts.scheme, place + (f":{port}" if port else ""), parts.path.rstrip("/") + "/", "", ""))
    user, password = parts.username or None, parts.password
    return IndexLocation(
        url=clean,
        origin=origin,
        user=None if user is None else checked(unquote(user), origin),
        password=None if password is None else checked(unquote(password), origin),
    )


def place_of_files(written: str, origin: str, *, root: Path | None = None) -> IndexLocation:
    """The page of links or the folder that `written` names, whose address has no slash of its own at the end.

    Raises IndexConfigurationError where it is neither.
    """
    found = location(written, origin, root=root)
    return found if urlsplit(written).path.endswith("/") else replace(found, url=found.url.rstrip("/"))


def checked(word: str, origin: str) -> str:
    """`word`, if it can be a user or a password in all files and headers. Raises IndexConfigurationError."""
    if not re.fullmatch(r"[!-~]*", word):
        raise IndexConfigurationError(
            f"{origin} names a user or a password that no netrc file can hold.",
            remedy="Use printable ASCII characters without blanks.",
        )
    return word
