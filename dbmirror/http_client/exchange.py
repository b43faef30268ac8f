"""One request of any method and its answer, whatever the status: no redirect followed, nothing tried again."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import urllib3
from urllib3._collections import HTTPHeaderDict

from dbmirror import __version__
from dbmirror.http_client.bodies import unpacked_body
from dbmirror.http_client.failures import refused
from dbmirror.http_client.limits import CURRENT, IDLE_SECONDS, PAGE_SECONDS, Limits
from dbmirror.http_client.managers import Managers, proxy_for
from dbmirror.http_client.refused import Refused


@dataclass(frozen=True, slots=True)
class Exchanged:
    """A whole answer."""

    status: int
    headers: HTTPHeaderDict
    """Its names are compared without regard to case."""
    content: bytes


class Exchanges:
    """Asks within the limits of this room. `ca_bundle` is trusted in place of the usual authorities.

    `idle` are the seconds without a byte after which a server has gone, `seconds` those of one whole answer.
    """

    def __init__(
        self, ca_bundle: Path | None = None, *, idle: float = IDLE_SECONDS, seconds: float = PAGE_SECONDS
    ) -> None:
        self._managers = Managers(ca_bundle)
        self._idle, self._seconds = idle, seconds

    def ask(
        self,
        method: str,
        url: str,
        *,
        limit: int,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        body: bytes | None = None,
        direct: bool = False,
        allow: Callable[[str], None] | None = None,
    ) -> Exchanged:
        """The answer at `url`, of at most `limit` bytes; `form` is sent as HTML forms are, `body` as it is.

        `direct` asks past the proxy that the environment names. `allow` raises Refused for an address that may not be
        asked. Neither netrc nor any other store of logins is consulted. Raises Refused where there is no whole answer.
        """
        limits = Limits(
            end=time.monotonic() + self._seconds, seconds=self._seconds, idle=self._idle, allow=allow, body=limit
        )
        sent = {"User-Agent": f"dbmirror/{__version__}", "Accept": "*/*", "Accept-Encoding": "gzip", **(headers or {})}
        if form is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        token = CURRENT.set(limits)
        try:
            proxy = None if direct else proxy_for(url)
            content_sent = urlencode(form) if form is not None else body
            response = self._managers.ask(method, url, limits, proxy=proxy, headers=sent, body=content_sent)
            try:
                content = b"" if method == "HEAD" else b"".join(unpacked_body(response, limits))
                return Exchanged(response.status, response.headers, content)
            finally:
                response.close()
        except Refused:
            raise
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
            # Not chained: the request, and with it a login, may hang on the library's exceptions.
            raise refused(error) from None
        finally:
            CURRENT.reset(token)
