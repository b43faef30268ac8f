"""The key of the sandbox's token service, the certificate that docker-registry trusts, and what is signed with it."""

from __future__ import annotations

import base64
import datetime
import secrets
import time
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ISSUER = "dbmirror-sandbox"
_ALGORITHM = "ES256"


class Signer:
    """A fresh P-256 key with a certificate of its own; nothing of it outlives the process but the certificate."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)])
        now = datetime.datetime.now(datetime.UTC)
        self._certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=7))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def certificate(self) -> bytes:
        """The certificate as PEM: docker-registry's `rootcertbundle`."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def sign(self, *, audience: str, subject: str, lifetime: float, **claims: Any) -> str:
        """A JSON web token that ends in `lifetime` seconds (in the past, where that is negative).

        The certificate stands in its header (`x5c`), which is how docker-registry finds the key.
        """
        chain = [base64.b64encode(self._certificate.public_bytes(serialization.Encoding.DER)).decode()]
        now = int(time.time())
        # A time on either side of now: docker-registry grants one minute of grace at both ends.
        body = {
            "iss": ISSUER,
            "aud": audience,
            "sub": subject,
            "iat": now + int(min(lifetime, 0)),
            "nbf": now + int(min(lifetime, 0)) - 10,
            "exp": now + int(lifetime),
            "jti": secrets.token_hex(8),
        }
        return jwt.encode(body | claims, self._key, algorithm=_ALGORITHM, headers={"x5c": chain})

    def read(self, token: str, *, audience: str) -> dict[str, Any] | None:
        """The claims of a token of this signer for `audience`; None where it is another's, expired, or no token."""
        try:
            return dict(jwt.decode(token, self._key.public_key(), algorithms=[_ALGORITHM], audience=audience))
        except jwt.PyJWTError:
            return None
