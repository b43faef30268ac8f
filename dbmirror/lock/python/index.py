"""A client of simple APIs (PEP 503, PEP 691): project pages and files, and what ends a lock."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType

from pypi_simple import ACCEPT_JSON_PREFERRED, DistributionPackage

from dbmirror.http_client.client import Answer, Client, Download
from dbmirror.http_client.limits import LARGEST_FILE, PAGE_SECONDS
from dbmirror.http_client.refused import UNREACHED, Cause, Refused
from dbmirror.lock.errors import IndexUnreachable
from dbmirror.lock.python.index_location import IndexLocation
from dbmirror.lock.python.index_settings import IndexSettings
from dbmirror.lock.python.project_page import parse_project_page

CONNECTIONS = 16
"""Requests under way at once."""
_CREDENTIALS = (
    "Put user and password into ~/.netrc under the index's host, or into the address in UV_DEFAULT_INDEX or "
    "PIP_INDEX_URL; they are never written to a file."
)
_AUTHORITY = "If your network has a certificate authority of its own, name its PEM file with --ca-bundle."
_NETWORK = "Check the network and the address; [index] url in dbmirror.toml names another index."
_LATER = "Try again a little later: nothing was changed."
_OTHER = "Check that its address is that of a simple API, and that nothing (a login page, a proxy) stands before it."
_REMEDIES = {
    Cause.UNAUTHORISED: _CREDENTIALS,
    Cause.FORBIDDEN: f"{_CREDENTIALS} If that is how it says that it does not have a package: "
    "'ignore_error_codes = [403]' in the [index] section of dbmirror.toml.",
    Cause.TLS: _AUTHORITY,
    Cause.THROTTLED: _LATER,
    Cause.BROKEN: _LATER,
}


class Index:
    """The indexes of `settings`. Safe to use from several threads.

    `ca_bundle` is a PEM file of the authorities to trust; `seconds` what one page may take in all, its retries
    included; `pause` the first wait before a retry, doubled each time.
    """

    def __init__(
        self,
        settings: IndexSettings,
        *,
        ca_bundle: Path | None = None,
        seconds: float = PAGE_SECONDS,
        pause: float = 0.5,
    ) -> None:
        self.settings = settings
        self.client = Client(
            settings.logins(), ca_bundle=ca_bundle, internal_hosts=settings.internal_hosts, pause=pause
        )
        self._seconds = seconds
        self._lock = threading.Lock()
        self._found: set[str] = set()
        self._pages: dict[str, tuple[DistributionPackage, ...]] = {}
        self._page_lock = threading.Lock()

    def __enter__(self) -> Index:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()

    def project(self, location: IndexLocation, name: str) -> tuple[DistributionPackage, ...] | None:
        """The files that the index at `location` lists for the project `name`; None where it has no such project.

        Only the status of something that is not there says so (404, and those that its settings name). Raises
        IndexUnreachable for every other answer: it is no word on the project.
        """

        def parse(answer: Answer) -> tuple[DistributionPackage, ...]:
            return parse_project_page(name, answer.kind, answer.content, answer.url)

        try:
            page = self.client.get(
                f"{location.url}{name}/",
                parse,
                feed=location.url if location.is_users else None,
                accept=ACCEPT_JSON_PREFERRED,
                seconds=self._seconds,
            )
        except Refused as refusal:
            if refusal.status == 404 or refusal.status in location.ignored_statuses:
                return None
            raise unusable(location, refusal, name) from refusal
        with self._lock:
            self._found.add(location.url)
        return page

    def page(self, place: IndexLocation) -> tuple[DistributionPackage, ...]:
        """All files that the page of links at `place` lists, of whatever project; fetched once.

        Raises IndexUnreachable where it gives no answer that is such a page.
        """
        with self._page_lock:
            if place.url not in self._pages:

                def parse(answer: Answer) -> tuple[DistributionPackage, ...]:
                    return parse_project_page("", answer.kind, answer.content, answer.url)

                try:
                    self._pages[place.url] = self.client.get(
                        place.url, parse, feed=place.url, accept="text/html", seconds=self._seconds
                    )
                except Refused as refusal:
                    raise unusable(place, refusal) from refusal
            return self._pages[place.url]

    def ever_found(self) -> bool:
        """Whether any index had any project so far."""
        return bool(self._found)

    def download(self, url: str, *, location: IndexLocation | None = None, limit: int = LARGEST_FILE) -> Download:
        """Fetch the file at `url` for its hash and size, with the login of `location` where it is of that origin.

        Raises Refused where it cannot be fetched, whatever the cause.
        """
        return self.client.download(url, feed=location.url if location else None, limit=limit)


def unusable(location: IndexLocation, refusal: Refused, project: str = "") -> IndexUnreachable:
    """The error for an index whose answer, about `project`, is none."""
    asked = f" when it was asked for {project}" if project and refusal.cause not in UNREACHED else ""
    remedy = _REMEDIES.get(refusal.cause, _NETWORK if refusal.cause in UNREACHED else _OTHER)
    return IndexUnreachable(f"The package index {location.url} ({location.origin}) {refusal}{asked}.", remedy=remedy)
