"""A public key, and the fingerprint of a server's as people compare it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A host key as people compare it; prints like `ssh-keygen -l`: `SHA256:… (ED25519)`."""

    name: str
    """What the key is kept under: a cluster's id, or a host's name."""
    address: str
    """Where it was seen, `10.0.0.4:2200`; the name again for a key read from a file."""
    kind: str
    """`ED25519`, `RSA`, `ECDSA`."""
    sha256: str
    """`SHA256:` and 43 letters of base64."""

    def __str__(self) -> str:
        return f"{self.sha256} ({self.kind})"


@dataclass(frozen=True, slots=True)
class HostKey:
    """A server's public key."""

    kind: str
    """`ssh-ed25519`, `ssh-rsa`, `ecdsa-sha2-nistp256`."""
    blob: bytes
    """The key in SSH's wire format."""

    def fingerprint(self, name: str, *, address: str = "") -> Fingerprint:
        """How this key, kept under `name` and seen at `address`, is shown."""
        digest = base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")
        kind = next((k for k in ("ED25519", "ECDSA", "RSA") if k in self.kind.upper()), self.kind)
        return Fingerprint(name=name, address=address or name, kind=kind, sha256=f"SHA256:{digest}")

    def __str__(self) -> str:
        """As a line of known_hosts has it behind the names."""
        return f"{self.kind} {base64.b64encode(self.blob).decode()}"


def parse_public_key(line: str) -> HostKey | None:
    """The key of a line `ssh-ed25519 AAAA… comment`; None where it is none, or more than one line."""
    fields = line.strip().split(maxsplit=2)
    if len(fields) < 2 or "\n" in line.strip() or not re.fullmatch(r"[a-z0-9@.-]+", fields[0]):
        return None
    try:
        blob = base64.b64decode(fields[1], validate=True)
    except binascii.Error:
        return None
    name = fields[0].encode()
    return HostKey(kind=fields[0], blob=blob) if blob[4 : 4 + len(name)] == name else None
