"""Which login goes along with a request: each feed's own, to its own origin and nowhere else."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from dbmirror.http_client.addresses import Origin, origin_of
from dbmirror.http_client.netrc_file import netrc_login
from dbmirror.http_client.uv_store import uv_login
from dbmirror.processes.programs import ProcessFailed, capture

Login = tuple[str, str]
"""User and password."""
KEYRING_SECONDS = 30.0
"""For the keyring program: some of them sign in to a cloud."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A place that the user or the repository named: an index, a repository of R."""

    url: str
    """Without credentials."""
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    """None where it was not given: then netrc has it, or uv's store, or the keyring, or nobody."""
    keyring: bool = False
    """The user's configuration asks for the keyring program."""
    cloned: bool = False
    """Only a file of a repository names it, which may have come with a clone."""
    anonymous: bool = False
    """Nobody logs in there: netrc is not asked."""


class Logins:
    """The logins of `feeds`. Safe to use from several threads; netrc and keyring are asked once for each feed."""

    def __init__(self, feeds: Iterable[Feed] = ()) -> None:
        self.feeds = tuple(dict.fromkeys(feeds))
        self._feeds: dict[Origin, list[Feed]] = {}
        for feed in self.feeds:
            self._feeds.setdefault(origin_of(feed.url), []).append(feed)
        self._known: dict[str, Login | None] = {}
        self._lock = threading.Lock()

    def with_those_of(self, *others: Logins) -> Logins:
        """These logins and those of `others`."""
        return Logins([*self.feeds, *(feed for other in others for feed in other.feeds)])

    def trusts(self, url: str) -> bool:
        """Whether `url` is at the scheme, host and port of a feed; over ssh the host decides.

        Raises Refused.
        """
        origin = origin_of(url)
        if origin[0] == "ssh":
            return origin[1] in {host for _, host, _ in self._feeds}
        return origin in self._feeds

    def of(self, url: str, *, feed: str | None = None) -> Login | None:
        """What is sent to `url`: the login of `feed` (its address) if that is of the same origin.

        Else that of the feed there whose address has the longest common path with `url`, as pip does it; None for
        any other origin. Raises Refused where `url` is no address.
        """
        here = self._feeds.get(origin_of(url), [])
        chosen = next((each for each in here if each.url == feed), None)
        if chosen is None and here:
            chosen = max(here, key=lambda each: _common(each.url, url))
        return self._login(chosen) if chosen else None

    def _login(self, feed: Feed) -> Login | None:
        if feed.anonymous:
            return None
        if feed.user is not None and feed.password is not None:
            return feed.user, feed.password
        with self._lock:
            if feed.url not in self._known:
                self._known[feed.url] = _look_up(feed)
            return self._known[feed.url]


def _look_up(feed: Feed) -> Login | None:
    """The login of a feed whose address has no password; a user alone may be a token, which has none."""
    found: Login | None = netrc_login(feed.url, users=not feed.cloned)
    if found and feed.user in {None, found[0]}:
        return found
    if not (feed.cloned and feed.url.startswith("http:")) and (stored := uv_login(feed.url, feed.user)) is not None:
        return stored
    if feed.keyring and feed.user is not None and (password := ask_keyring(feed.url, feed.user)) is not None:
        return feed.user, password
    return (feed.user, "") if feed.user is not None else None


def ask_keyring(url: str, user: str) -> str | None:
    """What `keyring get` says for the address, else for its host, as pip and uv ask it; None where it knows nothing."""
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    for service in (url, urlsplit(url).netloc):
        try:
            done = capture(["keyring", "get", service, user], environment=environment, timeout=KEYRING_SECONDS)
        except ProcessFailed:
            return None
        if done.code == 0 and (password := done.stdout.decode("utf-8", "replace").strip("\r\n")):
            return password
    return None


def _common(one: str, other: str) -> int:
    """How many parts of their paths are the same from the start."""
    parts: Sequence[tuple[str, ...]] = [PurePosixPath(urlsplit(url).path or "/").parts for url in (one, other)]
    pairs = zip(*parts, strict=False)
    return next((place for place, (left, right) in enumerate(pairs) if left != right), min(map(len, parts)))
