"""HTTP to a registry: no netrc, bounded answers, no credential to another origin, every failure a RegistryError."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urljoin, urlsplit

import msgspec

from dbmirror.ca_bundle import find_ca_bundle
from dbmirror.foreign_text.decoding import decode_json
from dbmirror.http_client.addresses import is_loopback, origin_of, require_allowed
from dbmirror.http_client.exchange import Exchanges
from dbmirror.http_client.limits import IDLE_SECONDS, REDIRECTS
from dbmirror.http_client.refused import Cause, Refused
from dbmirror.http_client.statuses import seconds_asked_for
from dbmirror.publish.registries.complaints import complaint, complaint_of_ours
from dbmirror.publish.registries.credential import Credential
from dbmirror.publish.registries.errors import (
    ConnectionCut,
    RateLimited,
    RegistryError,
    RegistryUnreachable,
    UnexpectedAnswer,
    UntrustedCertificate,
)
from dbmirror.publish.registries.target import RegistryTarget

LARGEST_ANSWER = 8 << 20
"""Bytes of an answer that are read; manifests and image configurations stay far below it."""
ANSWER_SECONDS = 60.0
"""For one whole answer: at 1.1 Mbit/s the largest one comes in that time."""
LONGEST_PAUSE: Final = 120.0
"""Seconds of a Retry-After that are waited for."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ERRORS: Final = {
    Cause.TIMEOUT: ConnectionCut,
    Cause.CUT: ConnectionCut,
    Cause.CLOSED: ConnectionCut,
    Cause.CONNECTION: RegistryUnreachable,
    Cause.DNS: RegistryUnreachable,
    Cause.PROXY: RegistryUnreachable,
    Cause.TLS: UntrustedCertificate,
}
"""What each end that a request comes to means for a push; every other one is an UnexpectedAnswer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def words(self) -> str:
        """What the registry says is wrong, in its own words: `HTTP 401 UNAUTHORIZED authentication required`."""
        challenge = re.search(r'\berror="([^"]*)"', self.headers.get("WWW-Authenticate", ""))
        return " ".join([f"HTTP {self.status}", *_errors_of(self.content), *(challenge.groups() if challenge else ())])


class Transport:
    """The requests of one push to one registry. The user's netrc is never consulted."""

    def __init__(self, target: RegistryTarget, credential: Credential | None, *, timeout: float = IDLE_SECONDS) -> None:
        self._target = target
        self._credential = credential
        self._exchanges = Exchanges(find_ca_bundle(target.ca_bundle), idle=timeout, seconds=ANSWER_SECONDS)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        parameters: list[tuple[str, str]] | None = None,
        form: Mapping[str, str] | None = None,
        body: bytes | None = None,
        basic: tuple[str, str] | None = None,
    ) -> Answer:
        """The answer to one request, whatever its status below 500 but 429.

        A redirect to another origin is followed by a GET and a HEAD, and without the registry's token: blobs lie in a
        storage of their own. What carries a password, or a form with a token, goes nowhere but to its own origin.
        Raises the RegistryError of what went wrong on the way, of a quota, or of a server's fault.
        """
        place = f"{url}{'&' if '?' in url else '?'}{urlencode(parameters)}" if parameters else url
        sent = dict(headers or {})
        if basic is not None:
            # Registries read UTF-8.
            sent["Authorization"] = "Basic " + base64.b64encode(":".join(basic).encode()).decode()
        bound = form is not None or basic is not None
        for _ in range(REDIRECTS):
            answer = self._ask(method, place, sent, form, body)
            target = answer.headers.get("Location") if answer.status in _REDIRECTS else None
            if target is None or method not in {"GET", "HEAD"}:
                break
            following = self._following(place, target, bound=bound)
            if origin_of(following) != origin_of(place):
                sent.pop("Authorization", None)
            place = following
        if answer.status == 429:
            raise self._too_many(answer)
        if answer.status >= 500:
            raise self.complaint(answer.words())
        return answer

    def _too_many(self, answer: Answer) -> RegistryError:
        """A quota that is used up, or a limit that is soon over."""
        refusal = self.complaint(answer.words())
        pause = seconds_asked_for(answer.headers.get("Retry-After", ""))
        if pause is None or pause > LONGEST_PAUSE:
            return refusal
        return RateLimited(refusal.message, remedy=refusal.remedy, pause=pause)

    def complaint(self, words: str, *, logged_in: bool = False) -> RegistryError:
        """The error that `words` mean for this target and credential."""
        return complaint(words, target=self._target, credential=self._credential, logged_in=logged_in)

    def failure(self, sentence: str, *, error: type[RegistryError] = UnexpectedAnswer) -> RegistryError:
        """An error of that kind for this target; `sentence`, without its full stop, says what was found."""
        return complaint_of_ours(error, sentence, target=self._target, credential=self._credential)

    def _ask(
        self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None, body: bytes | None
    ) -> Answer:
        loopback = self._target.insecure and is_loopback(urlsplit(url).hostname or "")
        # The registry is the user's choice; where it leads is a stranger's word.
        allow = None if origin_of(url) == origin_of(self._target.base_url) or loopback else _allow
        try:
            answer = self._exchanges.ask(
                method, url, headers=headers, form=form, body=body, limit=LARGEST_ANSWER, direct=loopback, allow=allow
            )
        except Refused as refusal:
            error = _ERRORS.get(refusal.cause, UnexpectedAnswer)
            host = urlsplit(url).hostname
            asked = f"What {host} answers" if refusal.cause is Cause.TOO_LARGE else host
            raise self.failure(f"{asked} {refusal}", error=error) from None
        return Answer(answer.status, answer.headers, answer.content)

    def _following(self, place: str, target: str, *, bound: bool) -> str:
        """Where a redirect leads. Raises UnexpectedAnswer where it leaves TLS, or takes a credential elsewhere."""
        try:
            following = urljoin(place, target)
            origin = origin_of(following)
        except (Refused, ValueError):
            raise self.failure("It redirects to an address that cannot be read") from None
        if bound and origin != origin_of(place):
            raise UnexpectedAnswer(
                f"{urlsplit(place).hostname} redirects the credential for {self._target.host} to another host.",
                remedy="Nothing was sent there. Check the host, and tell whoever runs the registry.",
            )
        if origin[0] == "http" and not (self._target.insecure and is_loopback(urlsplit(following).hostname or "")):
            raise self.failure("It redirects to an address without encryption")
        return following


def _allow(address: str) -> None:
    """Refuse this machine and its cloud's metadata; a company's registry may well use its own network."""
    require_allowed(address, internal=True)


def _errors_of(content: bytes) -> list[str]:
    """The codes and messages of a registry's or a token service's JSON error."""
    try:
        body = decode_json(content, Any)
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
