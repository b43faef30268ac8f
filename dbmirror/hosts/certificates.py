"""Certificates of the user's keys (OpenSSH's PROTOCOL.certkeys): which file belongs to which key."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import paramiko

_SUFFIX: Final = "-cert-v01@openssh.com"
_LARGEST: Final = 1 << 18
_PARTS: Final = {"ssh-ed25519": 1, "ssh-rsa": 2, "ecdsa-sha2-nistp256": 2, "ecdsa-sha2-nistp384": 2} | {
    "ecdsa-sha2-nistp521": 2
}
"""How many strings of a certificate, behind its nonce, are the public key."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that lies in a file."""

    path: Path
    key: bytes
    """The public key that it is for, as SSH sends it."""


def certificates(named: Iterable[Path], identity_files: Iterable[Path]) -> tuple[Certificate, ...]:
    """Those of CertificateFile, then those that lie beside the identity files, as OpenSSH takes them.

    A file that is missing or no certificate is passed over.
    """
    beside = (path.with_name(f"{path.name}-cert.pub") for path in identity_files)
    found = {path: key for path in (*named, *beside) if (key := _certified_key(path)) is not None}
    return tuple(Certificate(path, key) for path, key in found.items())


def _certified_key(path: Path) -> bytes | None:
    try:
        with path.open("rb") as stream:
            kind, blob = stream.read(_LARGEST).split()[:2]
        message = paramiko.Message(base64.b64decode(blob))
        plain = kind.decode("ascii").removesuffix(_SUFFIX)
        if not kind.endswith(_SUFFIX.encode()) or plain not in _PARTS or message.get_text() != kind.decode("ascii"):
            return None
        message.get_string()
        key = paramiko.Message()
        key.add_string(plain)
        for _ in range(_PARTS[plain]):
            key.add_string(message.get_binary())
    except (OSError, ValueError, binascii.Error, UnicodeDecodeError):
        return None
    return key.asbytes()
