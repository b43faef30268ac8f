"""What apt reads of its archives, fetched for it: releases as they are now, and their lists of packages by hash."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dbmirror.fetch.errors import FetchError
from dbmirror.fetch.fetch import Fetched, NotFetched, Wanted, fetch, fetch_all
from dbmirror.fetch.store import Store
from dbmirror.http_client.client import Client
from dbmirror.http_client.refused import Refused
from dbmirror.lock.debs.own_sources import archives_of_this_machine
from dbmirror.lock.errors import AptUnavailable

MOST_SOURCES: Final = 200
"""Addresses that apt may ask for: an Ubuntu image with a few further repositories has some 40."""
LARGEST_RELEASE: Final = 8 << 20
"""Bytes: Debian's has 0.2 MB."""
LARGEST_LISTS: Final = 256 << 20
"""Bytes of all lists of packages: those of Ubuntu's four parts have some 25 MB."""
_RELEASE: Final = "/InRelease"
_COMPRESSIONS: Final = (".xz", ".gz", "")
_ENTRY: Final = re.compile(r"^ ([0-9a-f]{64}) +([0-9]{1,12}) +([!-~]{1,400})$", re.MULTILINE)
_BY_HASH: Final = re.compile(r"^Acquire-By-Hash: yes$", re.MULTILINE)
_WHOLE: Final = re.compile(r"^No-Support-for-Architecture-all: Packages$", re.MULTILINE)
_ALL: Final = re.compile(r"^Architectures: ([!-~]+ )*all( |$)", re.MULTILINE)
"""Else each architecture's own list has the packages for all architectures, too, and apt reads no other."""
_REMEDY: Final = "Try again a little later; nothing was changed."


@dataclass(frozen=True, slots=True)
class _List:
    path: str
    sha256: str
    size: int


def client_of_archives(internal_hosts: frozenset[str], *, ca_bundle: Path | None) -> Client:
    """A client for the archives that an image names: those of this machine's apt, and any on the public internet."""
    return Client(archives_of_this_machine(), ca_bundle=ca_bundle, internal_hosts=internal_hosts)


def read_archives(wanted: Sequence[str], *, client: Client, store: Store) -> Mapping[str, bytes]:
    """The content of those addresses of `wanted` (what `apt-get update` asks for) that its archives have.

    A list of packages is fetched by the hash that its release states, and may come in another compression, which is
    then what its address here ends in. The signature of a release is apt's to check. Raises AptUnavailable, StoreError.
    """
    if len(wanted) > MOST_SOURCES:
        raise AptUnavailable(f"The image has {len(wanted)} apt sources; {MOST_SOURCES} are the most.")
    releases = {url: _release(url, client) for url in wanted if url.endswith(_RELEASE)}
    found = dict(releases)
    lists: dict[str, tuple[Wanted, Wanted]] = {}
    for release, content in releases.items():
        base, text = release.removesuffix("InRelease"), content.decode("utf-8", "replace")
        whole = _WHOLE.search(text) or not _ALL.search(text)
        entries = {path: _List(path, sha256, int(size)) for sha256, size, path in _ENTRY.findall(text)}
        for url in wanted:
            if url.startswith(base) and url != release and not (whole and "/binary-all/" in url):
                listed = _best(url.removeprefix(base), entries)
                if listed is not None:
                    digest = f"sha256:{listed.sha256}"
                    paths = (_by_hash(listed) if _BY_HASH.search(text) else listed.path, listed.path)
                    first, second = (Wanted(url=base + path, digest=digest, size=listed.size) for path in paths)
                    lists[base + listed.path] = first, second
    if sum(first.size or 0 for first, _ in lists.values()) > LARGEST_LISTS:
        raise AptUnavailable(f"The image's apt sources list more than {LARGEST_LISTS >> 20} MB of packages.")
    # An archive that changes in this moment has the list under its hash; a copy of an archive may not keep that place.
    outcomes = fetch([first for first, _ in lists.values()], store=store, client=client)
    rest = [second for first, second in lists.values() if isinstance(outcomes[first], NotFetched)]
    try:
        fetched = fetch_all(rest, store=store, client=client)
    except FetchError as error:
        raise AptUnavailable(f"The image's apt sources cannot be read: {error.message}", remedy=_REMEDY) from error
    for place, (first, second) in lists.items():
        outcome = outcomes[first]
        found[place] = (outcome if isinstance(outcome, Fetched) else fetched[second]).path.read_bytes()
    return found


def _release(url: str, client: Client) -> bytes:
    try:
        return client.get(url, lambda answer: answer.content, limit=LARGEST_RELEASE)
    except Refused as refusal:
        raise AptUnavailable(f"The image's apt source {url} {refusal}.", remedy=_REMEDY) from refusal


def _best(path: str, entries: Mapping[str, _List]) -> _List | None:
    """The list that apt would read for `path`, in the best compression that there is."""
    stem = re.sub(r"\.(xz|gz|bz2|lzma|lz4|zst)\Z", "", path)
    return next((entries[stem + each] for each in _COMPRESSIONS if stem + each in entries), None)


def _by_hash(listed: _List) -> str:
    folder, _, _ = listed.path.rpartition("/")
    return f"{folder}/by-hash/SHA256/{listed.sha256}" if folder else f"by-hash/SHA256/{listed.sha256}"
