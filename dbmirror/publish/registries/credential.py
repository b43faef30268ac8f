"""A user name and a secret that nothing prints, and where they came from."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

import jwt


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What a registry's token service takes; its repr and str never show the secret."""

    username: str
    secret: str = field(repr=False)
    """A password, an access token, a client secret, a refresh token."""
    source: str
    """What messages call the place it came from."""
    identity_token: bool = False
    """Whether `secret` is an OAuth2 refresh token (the docker config's `identitytoken`), not a password."""
    explicit: bool = False
    """Whether the user handed it over for this very push; such a one is never passed over for another."""

    def docker_auth_config(self) -> dict[str, str]:
        """What the Docker Engine takes in the `X-Registry-Auth` header of one request."""
        if self.identity_token:
            return {"identitytoken": self.secret}
        if not self.username:
            return {}
        return {"username": self.username, "password": self.secret}

    def expired(self) -> bool:
        """Whether the secret is a JSON web token that says itself that its time is over."""
        try:
            claims = jwt.decode(self.secret, options={"verify_signature": False, "verify_exp": False})
        except jwt.PyJWTError:
            return False
        expiry = claims.get("exp")
        return isinstance(expiry, int | float) and expiry < time.time()

    def redact(self, text: str) -> str:
        """`text` without the secret, in any of the spellings in which a server could echo it."""
        pair = f"{self.username}:{self.secret}"
        spellings = {self.secret, quote(self.secret), quote(self.secret, safe=""), quote_plus(self.secret)}
        spellings |= {base64.b64encode(plain.encode()).decode() for plain in (pair, self.secret)}
        for spelling in sorted(spellings - {""}, key=len, reverse=True):
            text = text.replace(spelling, "[secret]")
        return text


ANONYMOUS = Credential(username="", secret="", source="no credential")
"""For a registry that asks nobody who they are."""


@dataclass(frozen=True, slots=True)
class Unserved:
    """A source of credentials that has none for this registry."""

    reason: str
    """Why, as half a sentence: `DOCKERHUB_TOKEN is not set`."""
