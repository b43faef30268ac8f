"""Checks the addresses in a lock: one counts only where the index itself still names its host."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename

from dbmirror.http_client.addresses import Origin, origin_of
from dbmirror.http_client.client import Client
from dbmirror.http_client.logins import Feed, Logins
from dbmirror.http_client.refused import Refused
from dbmirror.lock.python.index import Index


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFile:
    """A file that a lock says an index has."""

    filename: str
    url: str
    sha256: str
    index: str


def client_of_files(files: Iterable[ListedFile], *, index: Index, logins: Logins | None = None) -> Client:
    """A client with `logins` (by default the indexes' own) that gets `files` from wherever the indexes keep them.

    Most keep them at their own origin, or on the public internet. Another place, in a company's network, is asked only
    if an index that the user named lists a file of that hash there, now: a lock may come out of a repository, and
    cannot make this machine ask its surroundings. Raises IndexUnreachable where an index gives no answer.
    """
    settings, client = index.settings, index.client
    locations = {location.url: location for location in settings.indexes}
    feeds: dict[Origin, Feed] = {}
    for file in files:
        try:
            origin = origin_of(file.url)
            if origin in feeds or client.logins.trusts(file.url) or file.index not in locations:
                continue
            client.allowed_addresses(file.url)
        except Refused:
            location, project = locations.get(file.index), _project(file.filename)
            offered = index.project(location, project) if location is not None and project is not None else None
            for each in offered or ():
                if each.digests.get("sha256") == file.sha256 and _origin(each.url) == _origin(file.url) is not None:
                    feeds[origin] = Feed(url=f"{origin[0]}://{origin[1]}:{origin[2]}/")
    return Client(
        (logins or settings.logins()).with_those_of(Logins(feeds.values())),
        ca_bundle=client.ca_bundle,
        internal_hosts=settings.internal_hosts,
    )


def _origin(url: str) -> Origin | None:
    try:
        return origin_of(url)
    except Refused:
        return None


def _project(filename: str) -> str | None:
    try:
        return parse_wheel_filename(filename)[0]
    except InvalidWheelFilename:
        pass
    try:
        return parse_sdist_filename(filename)[0]
    except InvalidSdistFilename:
        return None
