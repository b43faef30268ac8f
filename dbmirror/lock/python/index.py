"""A client of simple APIs (PEP 503, PEP 691): project pages and files, with retries, a deadline and plain errors."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

import requests
from pypi_simple import ACCEPT_JSON_PREFERRED, DistributionPackage
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from dbmirror import __version__
from dbmirror.clean_urls import without_login
from dbmirror.lock.errors import IndexUnreachable
from dbmirror.lock.python.index_settings import IndexLocation, IndexSettings
from dbmirror.lock.python.project_page import Refused, parse_project_page
from dbmirror.lock.untrusted import ForeignClient, plain

CONNECTIONS = 16
"""Requests under way at once."""
LARGEST_PAGE = 256 << 20
LARGEST_FILE = 8 << 30
USELESS_AFTER = 5
"""An index that failed this many packages and never answered one is not asked further."""


@dataclass(frozen=True, slots=True)
class Download:
    """A file that was fetched to be looked at."""

    sha256: str
    size: int
    content: bytes
    """Empty unless it was asked for."""


class Index:
    """The indexes of `settings`, asked one after the other for each project. Safe to use from several threads.

    `ca_bundle` is a PEM file of the authorities to trust; `deadline` the seconds that one page may take in all, its
    retries included (a file may take ten times as long); `pause` the first wait before a retry, doubled each time;
    `user_agent` what it calls itself, in place of dbmirror.
    """

    def __init__(
        self,
        settings: IndexSettings,
        *,
        ca_bundle: Path | None = None,
        deadline: float = 60.0,
        pause: float = 0.5,
        user_agent: str | None = None,
    ) -> None:
        self.settings = settings
        self.ca_bundle = ca_bundle
        self._verify: str | bool = str(ca_bundle) if ca_bundle else True
        self._deadline = deadline
        retry = Retry(
            total=3,
            read=1,
            backoff_factor=pause,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=("GET",),
            raise_on_status=False,
            respect_retry_after_header=False,
        )
        self.foreign = ForeignClient(settings.indexes, ca_bundle=ca_bundle, retry=retry)
        self._session = requests.Session()
        self._session.headers["User-Agent"] = user_agent or f"dbmirror/{__version__}"
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=CONNECTIONS, max_retries=retry))
        self._lock = threading.Lock()
        self._answered: set[str] = set()
        self._found: set[str] = set()
        self._failures: dict[str, list[str]] = {}

    def __enter__(self) -> Index:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()
        self.foreign.close()

    def project(self, location: IndexLocation, name: str) -> tuple[DistributionPackage, ...] | None:
        """The files that the index at `location` lists for the project `name`; None where it has no such project.

        Raises Refused where it answers this one project badly, and IndexUnreachable where it cannot be used at all.
        """
        url = f"{location.url}{name}/"
        try:
            response_type, body, address = self._get_page(location, url)
            page = parse_project_page(name, response_type, body, address)
        except Refused as refusal:
            if refusal.status in {404, 410}:
                with self._lock:
                    self._answered.add(location.url)
                return None
            self._note_failure(location, str(refusal))
            raise
        with self._lock:
            self._answered.add(location.url)
            self._found.add(location.url)
        return page

    def ever_found(self) -> bool:
        """Whether any index had any project so far."""
        return bool(self._found)

    def download(
        self, url: str, *, location: IndexLocation | None = None, keep: bool = False, limit: int = LARGEST_FILE
    ) -> Download:
        """Fetch the file at `url`, its content too if `keep`; `location`'s credentials go along to its own host.

        Without a `location` it is an address that a cluster named, which is asked as `ForeignClient` says.
        Raises Refused where it cannot be had, whatever the cause.
        """
        digest = hashlib.sha256()
        content = bytearray()
        size = 0

        def take(chunk: bytes) -> None:
            nonlocal size
            digest.update(chunk)
            size += len(chunk)
            if size > limit:
                raise Refused(f"is larger than {limit} bytes")
            if keep:
                content.extend(chunk)

        try:
            self._get(url, location=location, accept="*/*", take=take, deadline=self._deadline * 10)
        except (requests.RequestException, OSError) as error:
            raise Refused(plain(error)) from error
        return Download(sha256=digest.hexdigest(), size=size, content=bytes(content))

    def _get_page(self, location: IndexLocation, url: str) -> tuple[str, bytes, str]:
        content = bytearray()

        def take(chunk: bytes) -> None:
            content.extend(chunk)
            if len(content) > LARGEST_PAGE:
                raise Refused("answered with a page of more than 256 MiB")

        try:
            kind, address = self._get(
                url, location=location, accept=ACCEPT_JSON_PREFERRED, take=take, deadline=self._deadline
            )
        except requests.exceptions.SSLError as error:
            raise IndexUnreachable(
                f"The certificate of the package index {location.url} ({location.origin}) is not trusted: "
                f"{plain(error)}.",
                remedy="If your network has a certificate authority of its own, name its PEM file with --ca-bundle.",
            ) from error
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError) as error:
            raise Refused("broke off in the middle of its answer") from error
        except (requests.RequestException, OSError) as error:
            raise IndexUnreachable(
                f"The package index {location.url} ({location.origin}) cannot be reached: {plain(error)}.",
                remedy="Check the network and the address; [index] url in dbmirror.toml names another index.",
            ) from error
        return kind, bytes(content), address

    def _get(
        self,
        url: str,
        *,
        location: IndexLocation | None,
        accept: str,
        take: Callable[[bytes], None],
        deadline: float,
    ) -> tuple[str, str]:
        """GET `url`, its body handed to `take` piece by piece; the content type and the address that answered."""
        end = time.monotonic() + deadline
        timeout = (min(10.0, deadline / 4), min(30.0, deadline / 2))
        if location is None:
            opened = self.foreign.open(url, accept=accept, timeout=timeout)
        else:
            own = location.credentials and urlsplit(url).hostname == location.host
            opened = self._session.get(
                url,
                headers={"Accept": accept},
                auth=location.credentials if own else None,
                timeout=timeout,
                verify=self._verify,
                stream=True,
            )
        with opened as response:
            self._check_status(response, location)
            for chunk in response.iter_content(1 << 16):
                take(chunk)
                if time.monotonic() > end:
                    raise requests.exceptions.ReadTimeout(f"no end of its answer within {deadline:.0f} s")
            return response.headers.get("content-type", "text/html"), without_login(response.url)

    def _check_status(self, response: requests.Response, location: IndexLocation | None) -> None:
        if response.status_code == 401 and location is not None:
            raise IndexUnreachable(
                f"The package index {location.url} ({location.origin}) wants credentials and got "
                f"{'others' if 'Authorization' in response.request.headers else 'none'} (401).",
                remedy=_WHERE_CREDENTIALS_GO,
            )
        if response.status_code != 200:
            raise Refused(
                f"answered {response.status_code} {response.reason or ''}".rstrip(), status=response.status_code
            )

    def _note_failure(self, location: IndexLocation, text: str) -> None:
        with self._lock:
            failures = self._failures.setdefault(location.url, [])
            failures.append(text)
            useless = location.url not in self._answered and len(failures) >= USELESS_AFTER
        if useless:
            raise unusable(location, text)

    def check_answered(self) -> None:
        """Raise IndexUnreachable if some index was asked and never gave one proper answer."""
        for location in self.settings.indexes:
            failures = self._failures.get(location.url)
            if failures and location.url not in self._answered:
                raise unusable(location, failures[-1])


_WHERE_CREDENTIALS_GO = (
    "Put user and password into ~/.netrc under the index's host, or into the address in UV_DEFAULT_INDEX or "
    "PIP_INDEX_URL; they are never written to a file."
)


def unusable(location: IndexLocation, text: str) -> IndexUnreachable:
    """The error for an index that could be reached and never answered as one: `text` says what it did."""
    remedy = (
        _WHERE_CREDENTIALS_GO
        if "403" in text
        else (
            "Check that its address is that of a simple API, and that nothing (a login page, a proxy) stands before it."
        )
    )
    return IndexUnreachable(f"The package index {location.url} ({location.origin}) {text}.", remedy=remedy)
