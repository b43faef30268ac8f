"""Fetch files into the store, many at once, each checked against its hash while it comes in."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Final

from dbmirror.fetch.errors import FetchError
from dbmirror.fetch.store import Store
from dbmirror.http_client.bodies import raw_body
from dbmirror.http_client.client import AS_STORED, Client
from dbmirror.http_client.limits import FILE_SECONDS, LARGEST_FILE, Limits
from dbmirror.http_client.refused import Cause, Refused
from dbmirror.parallel import as_ended

CONNECTIONS: Final = 16
"""Files that come in at once."""
GRACE: Final = 60.0
SLOWEST: Final = 50_000
"""A file may take GRACE seconds, and one second more for each SLOWEST bytes: 0.4 Mbit/s is no longer a connection."""
_DIGESTS: Final = ("sha256", "sha512", "sha384", "sha1", "md5")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One file, and how it is recognised."""

    url: str
    """http or https, without credentials: the client has them."""
    digest: str
    """`ALGORITHM:HEX`: sha256, sha512, sha384, sha1 or md5. Only a file that is wanted by its sha256 is taken from the
    store; any other is fetched each time, and its sha256 learned (`Fetched.sha256`) for a lock to hold."""
    size: int | None = None
    """Bytes, where a lock or an index states them."""
    user_agent: str | None = None
    """What to call oneself, where the server gives another file to others."""
    elsewhere: str | None = None
    """The same file's next place, for a server that no longer has it at `url`: CRAN moves what is not current."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A file of the store."""

    path: Path
    """For reading, until the store is left; `Store.place` puts it elsewhere."""
    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFetched:
    """Why a file is not there, as the end of a sentence that begins with its address, without a full stop."""

    reason: str


def fetch(
    wanted: Sequence[Wanted],
    *,
    store: Store,
    client: Client,
    connections: int = CONNECTIONS,
    arrived: Callable[[Wanted], None] = lambda _: None,
) -> Mapping[Wanted, Fetched | NotFetched]:
    """Bring all of `wanted` into `store`, which must be entered (`with Store() as store:`); what became of each.

    A file that is there is not fetched. What passes (a broken connection, a server that is overloaded) is tried again;
    a file with another digest or size is not kept. `arrived` is called with each file that is there, in this thread.
    Raises StoreError where the disk is full.
    """
    found: dict[Wanted, Fetched | NotFetched] = {}
    stop = threading.Event()
    pool = ThreadPoolExecutor(max_workers=connections, thread_name_prefix="dbmirror-fetch")
    try:
        work = {pool.submit(_one, each, store=store, client=client, stop=stop): each for each in dict.fromkeys(wanted)}
        for future in as_ended(work):
            found[work[future]] = future.result()
            if isinstance(found[work[future]], Fetched):
                arrived(work[future])
    finally:
        # After Ctrl-C nobody waits for what is under way: it ends with its next piece.
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
    return found


def fetch_all(
    wanted: Sequence[Wanted],
    *,
    store: Store,
    client: Client,
    remedy: str = "Try again; what was fetched so far is kept.",
    arrived: Callable[[Wanted], None] = lambda _: None,
) -> Mapping[Wanted, Fetched]:
    """As `fetch`, for files of which none may be missing. Raises FetchError, which names the first that are."""
    outcomes = fetch(wanted, store=store, client=client, arrived=arrived)
    missing = [f"{each.url} {outcome.reason}" for each, outcome in outcomes.items() if isinstance(outcome, NotFetched)]
    if missing:
        more = f" So do {len(missing) - 3} more." if len(missing) > 3 else ""
        raise FetchError(". ".join(missing[:3]) + "." + more, remedy=remedy)
    return {each: outcome for each, outcome in outcomes.items() if isinstance(outcome, Fetched)}


def _one(wanted: Wanted, *, store: Store, client: Client, stop: threading.Event) -> Fetched | NotFetched:
    algorithm, _, expected = wanted.digest.partition(":")
    if algorithm not in _DIGESTS:
        return NotFetched(reason=f"is pinned by the unknown hash {algorithm[:20]!r}")
    if algorithm == "sha256":
        path = store.path(expected)
        if path is not None:
            return Fetched(path=path, sha256=expected, size=path.stat().st_size)
    limit = LARGEST_FILE if wanted.size is None else wanted.size

    def once(limits: Limits) -> tuple[Path, str, int]:
        return store.put(lambda take: _receive(wanted, client, limits, take, stop))

    try:
        path, sha256, size = client.again(once, limit=limit, seconds=min(FILE_SECONDS, GRACE + limit / SLOWEST))
    except Refused as refusal:
        if refusal.status == HTTPStatus.NOT_FOUND and wanted.elsewhere is not None:
            there = _one(replace(wanted, url=wanted.elsewhere, elsewhere=None), store=store, client=client, stop=stop)
            if isinstance(there, Fetched):
                return there
        return NotFetched(reason=str(refusal))
    return Fetched(path=path, sha256=sha256, size=size)


def _receive(
    wanted: Wanted, client: Client, limits: Limits, take: Callable[[bytes], None], stop: threading.Event
) -> None:
    """Hand the file on piece by piece; raises Refused unless it is whole and the one that is wanted."""
    algorithm, _, expected = wanted.digest.partition(":")
    digest = hashlib.new(algorithm, usedforsecurity=False)
    headers = AS_STORED | ({"User-Agent": wanted.user_agent} if wanted.user_agent else {})
    with client.open(wanted.url, limits, headers=headers) as (response, _):
        for piece in raw_body(response, limits):
            if stop.is_set():
                raise Refused("was interrupted")
            digest.update(piece)
            take(piece)
    if digest.hexdigest() != expected:
        text = f"has the {algorithm} {digest.hexdigest()}, not {expected}: another file than the one that was locked"
        raise Refused(text, cause=Cause.UNUSABLE)
