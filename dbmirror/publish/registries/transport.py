"""HTTP to a registry: one session, no netrc, bounded answers, and every failure a RegistryError."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests
from requests.structures import CaseInsensitiveDict

from dbmirror.publish.registries.complaints import complaint
from dbmirror.publish.registries.credential import Credential
from dbmirror.publish.registries.errors import RegistryError
from dbmirror.publish.registries.target import RegistryTarget, is_loopback

_LARGEST = 8 << 20
"""Bytes of an answer that are read; manifests and image configurations stay far below it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer."""

    status: int
    headers: CaseInsensitiveDict[str]
    content: bytes

    def words(self) -> str:
        """What the registry says is wrong, in its own words: `HTTP 401 UNAUTHORIZED authentication required`."""
        challenge = re.search(r'\berror="([^"]*)"', self.headers.get("WWW-Authenticate", ""))
        return " ".join([f"HTTP {self.status}", *_errors_of(self.content), *(challenge.groups() if challenge else ())])


class Transport:
    """The requests of one push to one registry. The user's netrc is never consulted."""

    def __init__(self, target: RegistryTarget, credential: Credential | None, *, timeout: float = 30.0) -> None:
        self._target = target
        self._credential = credential
        self._timeout = timeout
        self._session = requests.Session()
        self._session.trust_env = False

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        parameters: list[tuple[str, str]] | None = None,
        form: Mapping[str, str] | None = None,
        basic: tuple[str, str] | None = None,
    ) -> Answer:
        """The answer to one request, whatever its status below 500 but 429.

        Raises the RegistryError of what went wrong on the way, of a quota, or of a server's fault.
        """
        loopback = is_loopback(urlsplit(url).netloc)
        try:
            with self._session.request(
                method,
                url,
                headers=dict(headers or {}),
                params=parameters,
                data=form,
                auth=_basic(basic),
                timeout=self._timeout,
                proxies={} if loopback else requests.utils.get_environ_proxies(url),
                verify=_certificate_authorities(),
                stream=True,
            ) as response:
                answer = Answer(response.status_code, response.headers, _read(response))
        except requests.exceptions.RequestException as error:
            # Not chained: the request hangs on requests' exceptions, and with it the authorization header.
            raise self.complaint(_reason(error)) from None
        if answer.status >= 500 or answer.status == 429:
            raise self.complaint(answer.words())
        return answer

    def complaint(self, words: str, *, logged_in: bool = False) -> RegistryError:
        """The error that `words` mean for this target and credential."""
        return complaint(words, target=self._target, credential=self._credential, logged_in=logged_in)


def _basic(pair: tuple[str, str] | None) -> requests.auth.AuthBase | None:
    # As bytes: requests would encode str as latin-1, and registries read UTF-8.
    return requests.auth.HTTPBasicAuth(pair[0].encode(), pair[1].encode()) if pair else None


def _certificate_authorities() -> str | bool:
    named = (os.environ.get(name) for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"))
    return next((path for path in named if path), True)


def _read(response: requests.Response) -> bytes:
    content = b""
    for piece in response.iter_content(64 << 10):
        content += piece
        if len(content) > _LARGEST:
            raise requests.exceptions.ContentDecodingError("error parsing the answer: it is too long")
    return content


def _reason(error: requests.exceptions.RequestException) -> str:
    """The innermost reason of an exception of requests, which wraps urllib3's, which wrap the system's."""
    if isinstance(error, requests.exceptions.Timeout):
        return "timeout: no answer in time"
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.TooManyRedirects):
        return f"error parsing the answer: {type(error).__name__}"
    inner: Any = error
    while True:
        reason = getattr(inner, "reason", None)
        arguments = getattr(inner, "args", ())
        deeper = reason if isinstance(reason, BaseException) else None
        deeper = deeper or next((value for value in reversed(arguments) if isinstance(value, BaseException)), None)
        if deeper is None:
            return str(inner)
        inner = deeper


def _errors_of(content: bytes) -> list[str]:
    """The codes and messages of a registry's or a token service's JSON error."""
    try:
        body = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []
    if not isinstance(body, dict):
        return []
    words = [body.get(key) for key in ("error", "error_description", "details", "message")]
    errors = body.get("errors")
    for entry in errors if isinstance(errors, list) else []:
        if isinstance(entry, dict):
            words += [entry.get("code"), entry.get("message")]
    return [word for word in words if isinstance(word, str)]
