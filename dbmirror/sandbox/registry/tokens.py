"""The sandbox's token service: Docker Hub's `/token`, and ACR's `/oauth2/exchange` and `/oauth2/token`."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import msgspec

from dbmirror.sandbox.registry.accounts import PULL_AND_PUSH, Account
from dbmirror.sandbox.registry.signing import Signer

Kind = Literal["dockerhub", "acr"]

NULL_USER = "00000000-0000-0000-0000-000000000000"
"""The user that goes with a refresh token in ACR's way."""
_ENTRA = "entra"


@dataclass(frozen=True, slots=True)
class Reply:
    """A status and a JSON body."""

    status: int
    body: Mapping[str, Any]

    def encoded(self) -> bytes:
        """The body as it goes over the wire."""
        return msgspec.json.encode(self.body)


@dataclass(slots=True)
class TokenService:
    """Gives tokens for `service` to those who have an account. Its fields may be changed while it runs."""

    kind: Kind
    service: str
    """The registry's name, which tokens are for."""
    signer: Signer
    accounts: list[Account]
    lifetime: float = 300.0
    """Seconds that an access token lives; less than -60 gives tokens that are over when they arrive."""
    refresh_lifetime: float = 3 * 3600.0
    """Seconds that a refresh token lives."""
    asked: list[str] = field(default_factory=list)
    """`METHOD /path` of every request, for whoever wants to see which way a client took."""

    @property
    def realm_path(self) -> str:
        """Where the registry sends those who have no token."""
        return "/token" if self.kind == "dockerhub" else "/oauth2/token"

    def serves(self, path: str) -> bool:
        """Whether a request for `path` is for this service."""
        return urlsplit(path).path in (
            {"/token"} if self.kind == "dockerhub" else {"/oauth2/token", "/oauth2/exchange"}
        )

    def entra_token(self, username: str, *, lifetime: float = 3600.0) -> str:
        """What Entra ID would give to `username`: taken by `/oauth2/exchange` here, and nowhere else."""
        return self.signer.sign(audience=_ENTRA, subject=username, lifetime=lifetime)

    def refresh_token(self, username: str, *, lifetime: float | None = None) -> str:
        """What `/oauth2/exchange` gives to `username`."""
        seconds = self.refresh_lifetime if lifetime is None else lifetime
        return self.signer.sign(audience=self.service, subject=username, lifetime=seconds, grant_type="refresh_token")

    def answer(self, method: str, path: str, authorization: str, body: bytes) -> Reply:
        """The reply to one request."""
        parts = urlsplit(path)
        self.asked.append(f"{method} {parts.path}")
        query = parse_qs(parts.query)
        form = {name: values[0] for name, values in parse_qs(body.decode("latin-1")).items()}
        if parts.path == "/oauth2/exchange":
            return self._exchange(form)
        if method == "GET":
            account = self._by_basic(authorization)
            scopes = [scope for value in query.get("scope", []) for scope in value.split()]
            if account is None and (authorization or self.kind == "acr"):
                return self._refused()
            return self._granted(account, scopes)
        account = self._by_form(form)
        return self._granted(account, form.get("scope", "").split()) if account else self._refused()

    def _exchange(self, form: Mapping[str, str]) -> Reply:
        claims = self.signer.read(form.get("access_token", ""), audience=_ENTRA)
        account = self._named(str(claims["sub"])) if claims else None
        if form.get("grant_type") != "access_token" or form.get("service") != self.service or account is None:
            return self._refused()
        return Reply(200, {"refresh_token": self.refresh_token(account.username)})

    def _by_basic(self, authorization: str) -> Account | None:
        try:
            pair = base64.b64decode(authorization.removeprefix("Basic "), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        username, _, password = pair.partition(":")
        return self._by_password(username, password)

    def _by_form(self, form: Mapping[str, str]) -> Account | None:
        if form.get("grant_type") == "refresh_token":
            return self._by_refresh_token(form.get("refresh_token", ""))
        if form.get("grant_type") == "password":
            return self._by_password(form.get("username", ""), form.get("password", ""))
        return None

    def _by_password(self, username: str, password: str) -> Account | None:
        if self.kind == "acr" and username == NULL_USER:
            return self._by_refresh_token(password)
        account = self._named(username)
        return account if account and hmac.compare_digest(account.password.encode(), password.encode()) else None

    def _by_refresh_token(self, token: str) -> Account | None:
        claims = self.signer.read(token, audience=self.service)
        return self._named(str(claims["sub"])) if claims and claims.get("grant_type") == "refresh_token" else None

    def _named(self, username: str) -> Account | None:
        return next((account for account in self.accounts if account.username == username), None)

    def _granted(self, account: Account | None, scopes: Iterable[str]) -> Reply:
        access = []
        for scope in scopes:
            kind, _, rest = scope.partition(":")
            name, _, wanted = rest.rpartition(":")
            actions = sorted((account.actions if account else frozenset()) & set(wanted.split(",")) & PULL_AND_PUSH)
            if actions:
                access.append({"type": kind, "name": name, "actions": actions})
        token = self.signer.sign(
            audience=self.service,
            subject=account.username if account else "",
            lifetime=self.lifetime,
            access=access,
        )
        if self.kind == "acr":
            return Reply(200, {"access_token": token})
        return Reply(200, {"token": token, "access_token": token, "expires_in": max(int(self.lifetime), 0)})

    def _refused(self) -> Reply:
        if self.kind == "dockerhub":
            return Reply(401, {"details": "incorrect username or password"})
        message = "authentication required, visit https://aka.ms/acr/authorization for more information."
        return Reply(401, {"errors": [{"code": "UNAUTHORIZED", "message": message}]})
