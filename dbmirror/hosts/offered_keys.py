"""Which private keys are offered to a server, and in which order."""

from __future__ import annotations

import base64
import binascii
import logging
import os
import stat
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from paramiko.pkey import UnknownKeyType

from dbmirror.hosts.certificates import certificates
from dbmirror.hosts.host_key import HostKey
from dbmirror.hosts.key_agent import open_agent
from dbmirror.hosts.ssh_config import Hop, SshTarget, find_route
from dbmirror.hosts.ssh_errors import KeyMissing, KeyProtected, KeyTooOpen, KeyUnreadable, SshConfigInvalid, SshError

# Without a handler Python would print paramiko's own words about each failure on stderr.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

_OPENSSH_MAGIC = b"openssh-key-v1\0"
_MOST = 5
"""Servers end the connection after six refused keys (MaxAuthTries)."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A key to offer."""

    label: str
    """What messages call it: its file or its comment in the agent, and its fingerprint."""
    key: paramiko.PKey
    """With a certificate, where it is offered for that."""


def keys_to_offer(hop: Hop, agent_keys: tuple[paramiko.AgentKey, ...]) -> tuple[Offer, ...]:
    """The keys to offer on `hop`: its identity files', then the agent's and OpenSSH's default files' unless it forbids.

    A key with a certificate is offered with it first, before all others, as OpenSSH does.
    A file with a passphrase, or that holds only the public half, stands for the same key in the agent. Raises the
    SshError of the first unusable file where the hop's files are explicit, or where nothing else is left to offer.
    """
    offers: dict[bytes, Offer] = {}
    problems: list[SshError] = []
    files = hop.identity_files or () if hop.identities_only else (*hop.identity_files, *default_files(hop))
    for path in files:
        try:
            offer = _load(path, agent_keys)
        except SshError as error:
            if path in hop.identity_files:
                problems.append(error)
        else:
            offers.setdefault(offer.key.asbytes(), offer)
    if problems and (hop.explicit or not (offers or agent_keys)):
        raise problems[0]
    if not hop.identities_only:
        for key in agent_keys:
            offers.setdefault(key.asbytes(), Offer(_label("agent", key), key))
    if problems and not offers:
        raise problems[0]
    return (*_certified(hop, files, offers, agent_keys), *offers.values())[:_MOST]


def _certified(
    hop: Hop, files: Iterable[Path], offers: Mapping[bytes, Offer], agent_keys: tuple[paramiko.AgentKey, ...]
) -> tuple[Offer, ...]:
    """The keys of which there is a certificate, each with it. The agent may hold the key of one that is named."""
    held = {key.asbytes(): Offer(_label("agent", key), key) for key in agent_keys} | dict(offers)
    found = []
    for certificate in certificates(hop.certificate_files, files):
        if (offer := held.get(certificate.key)) is not None:
            key = _twin(offer.key)
            try:
                key.load_certificate(str(certificate.path))
            except (ValueError, OSError, paramiko.SSHException):
                continue
            found.append(Offer(f"{certificate.path} for {offer.label}", key))
    return tuple(found)


def _twin(key: paramiko.PKey) -> paramiko.PKey:
    """The same key once more: it is offered with a certificate and without."""
    return paramiko.AgentKey(key.agent, key.blob, key.comment) if isinstance(key, paramiko.AgentKey) else copy(key)


def offered_at(target: SshTarget) -> frozenset[bytes] | None:
    """The public keys, as SSH sends them, that would be offered to `target`; none at all where there is no key.

    None where only a login can tell: a ProxyCommand may bring its own, a key may be locked by a passphrase.
    """
    try:
        last = find_route(target).hops[-1]
        if last.proxy_command is not None:
            return None
        with open_agent(last.identity_agent) as held:
            offers = keys_to_offer(last, held)
        # A server that trusts an authority lets its certificates in, whatever keys the cluster has.
        return None if any(offer.key.public_blob for offer in offers) else frozenset(o.key.asbytes() for o in offers)
    except KeyMissing:
        return frozenset()
    except (KeyProtected, KeyTooOpen, KeyUnreadable, SshConfigInvalid):
        return None


def default_files(hop: Hop) -> tuple[Path, ...]:
    """OpenSSH's own choice, where nothing names a key."""
    folder = Path.home() / ".ssh"
    names = () if hop.identity_files else ("id_ed25519", "id_ecdsa", "id_rsa")
    return tuple(folder / name for name in names if (folder / name).is_file())


def _load(path: Path, agent_keys: tuple[paramiko.AgentKey, ...]) -> Offer:
    try:
        data = path.read_bytes()
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise KeyMissing(path) from None
    except OSError as error:
        raise KeyUnreadable(path, error.strerror or str(error)) from error
    if not _is_public(data) and os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise KeyTooOpen(path)
    if _is_public(data) or _has_passphrase(data):
        public = _public_blob(path, data)
        held = next((key for key in agent_keys if key.asbytes() == public), None)
        if held is None:
            raise KeyProtected(path)
        return Offer(_label(str(path), held), held)
    try:
        key = paramiko.PKey.from_path(path)
    except (ValueError, TypeError, UnknownKeyType, UnsupportedAlgorithm, paramiko.SSHException) as error:
        raise KeyUnreadable(path, f"it holds no private key of a known kind ({type(error).__name__})") from error
    return Offer(_label(str(path), key), key)


def _label(where: str, key: paramiko.PKey) -> str:
    comment = getattr(key, "comment", "") if where == "agent" else ""
    fingerprint = HostKey(kind=key.get_name(), blob=key.asbytes()).fingerprint("")
    return f"{where}{f' {comment!r}' if comment else ''} {fingerprint}"


def _is_public(data: bytes) -> bool:
    return data.startswith((b"ssh-", b"ecdsa-", b"sk-"))


def _has_passphrase(data: bytes) -> bool:
    header = _openssh_header(data)
    if header is None:
        return b"ENCRYPTED" in data
    return header.get_text() != "none"


def _public_blob(path: Path, data: bytes) -> bytes | None:
    """The public half, which an OpenSSH key shows without its passphrase; for an older format its `.pub` has it."""
    header = _openssh_header(data)
    if header is not None:
        for _ in ("cipher", "key derivation", "its options"):
            header.get_string()
        return header.get_string() if header.get_int() == 1 else None
    public = path.with_name(f"{path.name}.pub")
    if not _is_public(data):
        if not public.is_file():
            return None
        data = public.read_bytes()
    try:
        return base64.b64decode(data.split()[1])
    except (IndexError, binascii.Error):
        return None


def _openssh_header(data: bytes) -> paramiko.Message | None:
    body = data.partition(b"-----BEGIN OPENSSH PRIVATE KEY-----")[2].partition(b"-----END")[0]
    try:
        decoded = base64.b64decode(body)
    except binascii.Error:
        return None
    if not decoded.startswith(_OPENSSH_MAGIC):
        return None
    return paramiko.Message(decoded.removeprefix(_OPENSSH_MAGIC))
