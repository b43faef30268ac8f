"""Fetch files into the store, many at once, each checked against its hash while it comes in."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import requests
import urllib3

from dbmirror.fetch.errors import FetchError, Refused
from dbmirror.fetch.store import Store
from dbmirror.parallel import as_ended

CONNECTIONS: Final = 16
"""Files that come in at once."""
LARGEST: Final = 8 << 30
"""Bytes of a file whose size nobody stated; the largest wheels (of PyTorch with CUDA) have 3 GB."""
GRACE: Final = 60.0
SLOWEST: Final = 50_000
"""A file may take GRACE seconds, and one second more for each SLOWEST bytes: 0.4 Mbit/s is no longer a connection."""
ATTEMPTS: Final = 4
PAUSE: Final = 0.5
"""Seconds before the second attempt, doubled for each further one."""
TIMEOUT: Final = (10.0, 30.0)
"""Seconds to connect, and between two pieces of an answer."""
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


class Client(Protocol):
    """Opens addresses: `dbmirror.lock.untrusted.ForeignClient` with the user's indexes or repositories as `trusted`.

    It gives credentials to the origins that they belong to alone, also behind redirects, and refuses addresses of this
    machine's own surroundings.
    """

    def open(
        self, url: str, *, accept: str = "*/*", timeout: tuple[float, float], as_stored: bool = False
    ) -> requests.Response:
        """GET `url`; the body is still to be read. Raises Refused, and what requests raises."""


def fetch(
    wanted: Sequence[Wanted],
    *,
    store: Store,
    client: Client,
    connections: int = CONNECTIONS,
    pause: float = PAUSE,
    arrived: Callable[[Wanted], None] = lambda _: None,
) -> Mapping[Wanted, Fetched | NotFetched]:
    """Bring all of `wanted` into `store`, which must be entered (`with Store() as store:`); what became of each.

    A file that is there is not fetched. What passes (a broken connection, a server that is overloaded) is tried again;
    a file with another digest or size is not kept. `arrived` is told of each file that is there, in this thread.
    Raises StoreError where the disk takes no more.
    """
    found: dict[Wanted, Fetched | NotFetched] = {}
    stop = threading.Event()
    pool = ThreadPoolExecutor(max_workers=connections, thread_name_prefix="dbmirror-fetch")
    try:
        work = {
            pool.submit(_one, each, store=store, client=client, pause=pause, stop=stop): each
            for each in dict.fromkeys(wanted)
        }
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


def _one(wanted: Wanted, *, store: Store, client: Client, pause: float, stop: threading.Event) -> Fetched | NotFetched:
    algorithm, _, expected = wanted.digest.partition(":")
    if algorithm not in _DIGESTS:
        return NotFetched(reason=f"is pinned by the unknown hash {algorithm[:20]!r}")
    if algorithm == "sha256":
        path = store.path(expected)
        if path is not None:
            return Fetched(path=path, sha256=expected, size=path.stat().st_size)
    reason = "was not asked for"
    for attempt in range(ATTEMPTS):
        if attempt and stop.wait(pause * 2 ** (attempt - 1) * random.uniform(0.75, 1.25)):  # noqa: S311 - no secret
            break
        try:
            path, sha256, size = store.put(lambda take: _receive(wanted, client, take, stop))
        except _BrokenOff as error:
            reason = str(error)
        except Refused as refusal:
            reason = str(refusal)
            if not refusal.passes:
                break
        else:
            return Fetched(path=path, sha256=sha256, size=size)
    return NotFetched(reason=reason)


class _BrokenOff(Exception):
    """The connection failed; another attempt may go better."""


def _receive(wanted: Wanted, client: Client, take: Callable[[bytes], None], stop: threading.Event) -> None:
    """Hand the file on piece by piece; raises Refused unless it is whole and the one that is wanted."""
    algorithm, _, expected = wanted.digest.partition(":")
    digest, received = hashlib.new(algorithm, usedforsecurity=False), 0
    limit = LARGEST if wanted.size is None else wanted.size
    seconds = GRACE + limit / SLOWEST
    end = time.monotonic() + seconds
    try:
        with client.open(wanted.url, timeout=TIMEOUT, as_stored=True) as response:
            if response.status_code != 200:
                raise Refused(f"answered {response.status_code}", status=response.status_code)
            stated = response.headers.get("content-length")
            while piece := response.raw.read1(1 << 16, decode_content=False):
                received += len(piece)
                if received > limit:
                    raise Refused(f"is larger than the {limit} bytes that it should have")
                if time.monotonic() > end:
                    raise Refused(f"did not come in within {seconds:.0f} s")
                if stop.is_set():
                    raise Refused("was interrupted")
                digest.update(piece)
                take(piece)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise _BrokenOff(f"broke off ({type(error).__name__})") from error
    if stated is not None and stated.isdecimal() and received < int(stated):
        raise _BrokenOff(f"broke off after {received} of {stated} bytes")
    if digest.hexdigest() != expected:
        raise Refused(
            f"has the {algorithm} {digest.hexdigest()}, not {expected}: another file than the one that was locked"
        )
