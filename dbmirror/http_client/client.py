"""The one client: GET with redirects, retries and logins by rule, all of it in a bounded time and size."""

from __future__ import annotations

import hashlib
import http
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, TypeVar

import urllib3

from dbmirror import __version__
from dbmirror.http_client.addresses import lookup, origin_of, require_allowed
from dbmirror.http_client.bodies import raw_body, unpacked_body
from dbmirror.http_client.failures import refused
from dbmirror.http_client.limits import (
    ATTEMPTS,
    CURRENT,
    FILE_SECONDS,
    IDLE_SECONDS,
    LARGEST_FILE,
    LARGEST_PAGE,
    PAGE_SECONDS,
    REDIRECTS,
    Limits,
)
from dbmirror.http_client.logins import Logins
from dbmirror.http_client.managers import Managers, proxy_for
from dbmirror.http_client.redirects import clean_address, redirected
from dbmirror.http_client.refused import PASSING, Cause, Refused
from dbmirror.http_client.statuses import check_status

AS_STORED = {"Accept": "*/*", "Accept-Encoding": "identity"}
"""For a file as the server has it, not compressed on the way."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer."""

    url: str
    """Where it came from after all redirects, without credentials."""
    content: bytes
    kind: str
    """Its Content-Type."""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file that was fetched."""

    url: str
    sha256: str
    size: int


class Client:
    """Asks as this room says. Safe to use from several threads.

    The feeds of `logins` may be anywhere and get their logins; every other address is a stranger's word: it gets none,
    and must lead to the public internet, or with a host of `internal_hosts` to a company's own network.
    `ca_bundle` is a PEM file of the authorities to trust in place of the usual ones; `pause` the first wait before a
    retry, doubled each time; `idle` the seconds without a byte after which a server has gone.
    """

    def __init__(
        self,
        logins: Logins | None = None,
        *,
        ca_bundle: Path | None = None,
        internal_hosts: frozenset[str] = frozenset(),
        user_agent: str = f"dbmirror/{__version__}",
        pause: float = 0.5,
        idle: float = IDLE_SECONDS,
    ) -> None:
        self.logins = logins or Logins()
        self.ca_bundle = ca_bundle
        self._internal, self._agent, self._pause, self._idle = internal_hosts, user_agent, pause, idle
        self._managers = Managers(ca_bundle)
        self._closed = threading.Event()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, and end what waits for a retry."""
        self._closed.set()
        self._managers.close()

    def get(
        self,
        url: str,
        parse: Callable[[Answer], T],
        *,
        feed: str | None = None,
        accept: str = "*/*",
        limit: int = LARGEST_PAGE,
        seconds: float = PAGE_SECONDS,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """What `parse` makes of the answer at `url`, for which `feed` (its address) has the login.

        `seconds` holds for all tries together, and `limit` for its bytes before and after decompression. An answer
        that `parse` refuses as garbage is asked for again, as it is after every failure that passes. Raises Refused.
        """

        def once(limits: Limits) -> T:
            wanted = {"Accept": accept, "Accept-Encoding": "gzip", **(headers or {})}
            with self.open(url, limits, feed=feed, headers=wanted) as (response, address):
                content = b"".join(unpacked_body(response, limits))
                kind = response.headers.get("Content-Type", "")
                found = {name.lower(): value for name, value in response.headers.items()}
            return parse(Answer(url=address, content=content, kind=kind, headers=found))

        return self.again(once, limit=limit, seconds=seconds)

    def download(
        self,
        url: str,
        into: BinaryIO | None = None,
        *,
        feed: str | None = None,
        limit: int = LARGEST_FILE,
        seconds: float = FILE_SECONDS,
    ) -> Download:
        """Fetch the file at `url`, as it is, into the file `into`, which is emptied first; else for its hash alone.

        Raises Refused, and OSError where `into` cannot be written.
        """

        def once(limits: Limits) -> Download:
            digest, size = hashlib.sha256(), 0
            if into is not None:
                into.seek(0)
                into.truncate()
            with self.open(url, limits, feed=feed) as (response, address):
                for piece in raw_body(response, limits):
                    digest.update(piece)
                    size += len(piece)
                    if into is not None:
                        _write(into, piece)
            return Download(url=address, sha256=digest.hexdigest(), size=size)

        try:
            return self.again(once, limit=limit, seconds=seconds)
        except _WriteFailed as failed:
            raise failed.error from None

    def final_address(self, url: str, *, seconds: float = PAGE_SECONDS) -> str:
        """Where `url` leads after all redirects, without credentials, whatever is answered there. Raises Refused."""

        def once(limits: Limits) -> str:
            with self.open(url, limits, check=False) as (_, address):
                return address

        return self.again(once, limit=0, seconds=seconds)

    def allowed_addresses(self, url: str, *, seconds: float = PAGE_SECONDS) -> tuple[str, ...]:
        """The addresses of the host of `url`, as this machine sees them; none where it cannot look them up.

        Raises Refused where one of them is not for a stranger to name.
        """
        _, host, port = origin_of(url)
        try:
            found = lookup(host.strip("[]"), port, seconds=seconds)
        except OSError:
            # Behind a proxy that may be so for every host of the internet; else the request itself says so.
            return ()
        for address in found:
            require_allowed(address, internal=host in self._internal)
        return found

    def again(self, once: Callable[[Limits], T], *, limit: int, seconds: float) -> T:
        """What `once` gives, tried again with growing pauses (or the server's Retry-After) within `seconds` in all.

        `once` hands its limits on to `open`. Raises Refused, as the last try did.
        """
        end = time.monotonic() + seconds
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return once(Limits(end=end, seconds=seconds, idle=self._idle, body=limit))
            except Refused as refusal:
                pause = max(self._pause * 2 ** (attempt - 1), refusal.retry_after or 0.0)
                if refusal.cause not in PASSING or attempt == ATTEMPTS:
                    raise
                if time.monotonic() + pause >= end:
                    raise
                if self._closed.wait(pause):
                    raise
        raise AssertionError("the last attempt returns or raises")

    @contextmanager
    def open(
        self,
        url: str,
        limits: Limits,
        *,
        feed: str | None = None,
        headers: Mapping[str, str] = AS_STORED,
        check: bool = True,
    ) -> Iterator[tuple[urllib3.BaseHTTPResponse, str]]:
        """The answer at the end of all redirects and where that is, its body still to be read.

        Raises Refused, with `check` also for an answer that is an error.
        """
        address = clean_address(url)
        for _ in range(REDIRECTS):
            trusted = self.logins.trusts(address)
            internal = origin_of(address)[1] in self._internal
            limits.allow = None if trusted else partial(require_allowed, internal=internal)
            token = CURRENT.set(limits)
            try:
                with self._step(address, limits, feed=feed if trusted else None, headers=headers) as response:
                    target = response.headers.get("Location") if response.status in {301, 302, 303, 307, 308} else None
                    if target is None:
                        if check:
                            check_status(response, partial="Range" in headers)
                        yield response, address
                        return
                    address = redirected(address, target)
            except Refused:
                raise
            except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
                raise refused(error) from error
            finally:
                CURRENT.reset(token)
        raise Refused("redirects in circles", cause=Cause.REDIRECT)

    @contextmanager
    def _step(
        self, url: str, limits: Limits, *, feed: str | None, headers: Mapping[str, str]
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        login = self.logins.of(url, feed=feed)
        sent = {"User-Agent": self._agent, **headers}
        if login is not None:
            sent |= urllib3.make_headers(basic_auth=":".join(login))
        proxy = proxy_for(url)
        if limits.allow is not None and proxy is not None:
            self.allowed_addresses(url, seconds=limits.wait())
        response = self._managers.ask("GET", url, limits, proxy=proxy, headers=sent)
        try:
            yield response
            if response.length_remaining == 0:
                response.read()  # gives the connection back
        finally:
            response.close()


class _WriteFailed(Exception):
    """This machine's own failure, not to be taken for the server's."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


def _write(into: BinaryIO, piece: bytes) -> None:
    try:
        into.write(piece)
    except OSError as error:
        raise _WriteFailed(error) from error
