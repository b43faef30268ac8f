"""The token dance: from a registry's 401 to the authorization header that it takes."""

from __future__ import annotations

import base64
import time
from urllib.parse import urlsplit
from urllib.request import parse_http_list, parse_keqv_list

import jwt
import msgspec
from msgspec import Struct

from dbmirror.config.registries import variable_stem
from dbmirror.foreign_text.decoding import decode_json
from dbmirror.http_client.addresses import is_loopback, origin_of
from dbmirror.http_client.refused import Refused
from dbmirror.publish.registries.credential import Credential
from dbmirror.publish.registries.errors import UnexpectedAnswer
from dbmirror.publish.registries.kinds import kind_named
from dbmirror.publish.registries.target import RegistryTarget
from dbmirror.publish.registries.transport import Transport

_CLIENT = "dbmirror"
_EARLY = 10.0
"""Seconds before its end that a token is no longer used."""
_SHORTEST = 60.0
"""Seconds that a token lives where its service does not say (the token specification's default)."""


class _Token(Struct):
    token: str = ""
    access_token: str = ""
    expires_in: float | None = None


class Authorization:
    """The header for one repository with one credential; asks the token service anew when a token's time is over."""

    def __init__(self, target: RegistryTarget, credential: Credential, transport: Transport) -> None:
        self._target = target
        self._credential = credential
        self._transport = transport
        self._header: str | None = None
        self._until = 0.0

    def header(self) -> str | None:
        """The header as it stands, None before the first challenge or after its end."""
        return self._header if time.monotonic() < self._until else None

    def answer(self, challenge: str) -> str:
        """The header that answers `challenge`, the content of a `WWW-Authenticate` header.

        Raises the RegistryError of a token service that refuses, and UnexpectedAnswer where the challenge is of a
        kind that dbmirror does not speak or leads where no password should be sent.
        """
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "basic":
            pair = f"{self._credential.username}:{self._credential.secret}"
            self._header = "Basic " + base64.b64encode(pair.encode()).decode()
            self._until = float("inf")
            return self._header
        try:
            facts = parse_keqv_list(parse_http_list(rest))
        except ValueError:
            facts = {}
        realm = facts.get("realm")
        if scheme.lower() != "bearer" or not realm:
            raise self._transport.failure(f"Its challenge cannot be read: {challenge or 'there is none'}")
        token = self._ask(realm, facts.get("service") or "")
        self._header = f"Bearer {token.token or token.access_token}"
        self._until = time.monotonic() + max((token.expires_in or _SHORTEST) - _EARLY, 1.0)
        return self._header

    def may_push(self) -> bool:
        """False only where the token itself says that it does not allow to push; most say what they allow."""
        try:
            claims = jwt.decode((self._header or "").removeprefix("Bearer "), options={"verify_signature": False})
        except jwt.PyJWTError:
            return True
        access = claims.get("access")
        if not isinstance(access, list):
            return True
        return any(
            isinstance(grant, dict)
            and grant.get("name") == self._target.repository
            and {"push", "*"} & set(grant.get("actions") or ())
            for grant in access
        )

    def _ask(self, realm: str, service: str) -> _Token:
        self._refuse_unsafe(realm)
        scope = f"repository:{self._target.repository}:pull,push"
        if self._credential.identity_token:
            answer = self._transport.request(
                "POST",
                realm,
                form={
                    "grant_type": "refresh_token",
                    "service": service,
                    "client_id": _CLIENT,
                    "scope": scope,
                    "refresh_token": self._credential.secret,
                },
            )
        else:
            answer = self._transport.request(
                "GET",
                realm,
                parameters=[("service", service), ("scope", scope), ("client_id", _CLIENT)],
                basic=(self._credential.username, self._credential.secret) if self._credential.username else None,
            )
        if answer.status != 200:
            raise self._transport.complaint(answer.words())
        try:
            token = decode_json(answer.content, _Token)
        except (msgspec.DecodeError, UnicodeDecodeError):
            token = _Token()
        if not (token.token or token.access_token):
            raise self._transport.failure("Its token service gave no token")
        return token

    def _refuse_unsafe(self, realm: str) -> None:
        """Raise UnexpectedAnswer unless the credential may go to the token service at `realm`.

        Docker and containerd send it to any: registries do keep their token service at another host (Docker Hub's is
        auth.docker.io, GitLab's the forge itself). Here it must be an encrypted one that the registry's kind takes for
        the registry's own, or the one that a variable of the user's names. `push` walks this way before it gives the
        credential to the engine, which asks nothing.
        """
        try:
            parts = urlsplit(realm)
            loopback = self._target.insecure and is_loopback(parts.hostname or "")
            safe = "@" not in parts.netloc and (parts.scheme == "https" or (parts.scheme == "http" and loopback))
            host = origin_of(realm)[1] if safe else ""
        except (Refused, ValueError):
            raise self._transport.failure("Its challenge names a realm that is no address") from None
        if not safe:
            raise UnexpectedAnswer(
                f"The registry {self._target.host} asks for the password to be sent without encryption.",
                remedy="Nothing was sent. Check the host, and tell whoever runs the registry.",
            )
        own = origin_of(self._target.base_url)[1]
        if host != self._target.token_host and not kind_named(self._target.kind).sends_token_to(host, own=own):
            raise UnexpectedAnswer(
                f"The registry {self._target.host} asks for the password to be sent to {host}, which is not its own.",
                remedy="Nothing was sent. Ask whoever runs the registry; if its token service is there, set "
                f"{variable_stem(self._target.name)}_TOKEN_HOST={host}.",
            )
