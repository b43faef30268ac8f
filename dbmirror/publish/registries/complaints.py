"""From the registry's own words to the kind of error they mean, and what to do about it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dbmirror.foreign_text.redaction import foreign_line
from dbmirror.publish.registries.credential import Credential
from dbmirror.publish.registries.errors import (
    AddressRefused,
    AuthenticationFailed,
    ConnectionCut,
    CredentialExpired,
    InsufficientScope,
    QuotaRefused,
    RegistryError,
    RegistryFull,
    RegistryUnavailable,
    RegistryUnreachable,
    RepositoryUnknown,
    TagImmutable,
    UnexpectedAnswer,
    UntrustedCertificate,
)
from dbmirror.publish.registries.target import RegistryTarget

_LONGEST = 400
"""Characters of the registry's words that a message repeats."""


@dataclass(frozen=True, slots=True)
class _Kind:
    error: type[RegistryError]
    words: re.Pattern[str]
    """What the Docker Engine, a registry or a token service writes; the first kind that matches decides."""
    sentence: str
    remedy: str


def _kind(error: type[RegistryError], words: str, sentence: str, remedy: str) -> _Kind:
    return _Kind(error, re.compile(words, re.IGNORECASE), sentence, remedy)


_EXPIRED = _kind(
    CredentialExpired,
    r"expired|invalid_token|token is not valid",
    "The credential for {host} from {source} is no longer valid.",
    "Get a new one (`docker login`, `az login`, or a new access token) and push again.",
)
_SCOPE = _kind(
    InsufficientScope,
    r"insufficient_scope|denied|forbidden|HTTP (status: )?403",
    "{user} may not push to {repository} on {host}.",
    "Give this user the right to push there (ACR: the role AcrPush; Docker Hub: a token with Read & Write), "
    "or push as another.",
)
_KINDS = (
    _kind(
        UntrustedCertificate,
        r"x509|certificate|HTTP response to HTTPS client|wrong version number",
        "The TLS connection to {host} cannot be trusted.",
        "For a private certificate authority, put its certificate into /etc/docker/certs.d/{host}/ca.crt for the "
        "Docker Engine, and name a bundle that holds it in SSL_CERT_FILE, or 'ca_bundle' of [index] in dbmirror.toml.",
    ),
    _EXPIRED,
    _kind(
        AddressRefused,
        r"client with IP|aka\.ms/acr/firewall|firewall|ip address .{0,60}not (allowed|permitted|authorized)"
        r"|not allowed (access )?from (this|your) (ip|network|address)|public network access",
        "The firewall of {host} does not let this machine in.",
        "Let its administrator allow the address that it names, or push from a network that it allows.",
    ),
    _kind(
        TagImmutable,
        r"immutable|TAG_ALREADY_EXISTS|ImageTagAlreadyExists|cannot be overwritten|configured as immutable"
        r"|write operation is (disabled|not permitted)|manifest .{0,60}is locked",
        "The registry {host} does not let this tag of {repository} be replaced.",
        "An image whose lock has changed gets a tag of its own. To replace this one, have it unlocked there first.",
    ),
    _kind(
        RegistryFull,
        r"HTTP (status: )?507|insufficient storage|no space left|disk (is )?full|storage (limit|quota)"
        r"|adding .{0,80} of storage resource|exceed the configured upper limit",
        "The registry {host} has no room left.",
        "Delete images there, or enlarge its storage, and push again: layers that arrived are kept.",
    ),
    _kind(
        QuotaRefused,
        r"toomanyrequests|too many requests|HTTP (status: )?429|quota|rate limit",
        "The registry {host} refuses more for now: a quota or rate limit is used up.",
        "Wait, or raise the limit of the account, and push again: layers that arrived are kept.",
    ),
    _SCOPE,
    _kind(
        AuthenticationFailed,
        r"incorrect username|unauthorized|authentication required|HTTP (status: )?401|no basic auth",
        "The registry {host} does not accept {user} with the credential from {source}.",
        "Check user name and password; Docker Hub takes an access token in place of a password, ACR a refresh token "
        "for the user 00000000-0000-0000-0000-000000000000.",
    ),
    _kind(
        RepositoryUnknown,
        r"name[ _](unknown|invalid)|repository .*(not found|does not exist|not known)|HTTP (status: )?404",
        "The registry {host} has no repository {repository}.",
        "Create it there first, or name another in [registries.{name}].",
    ),
    _kind(
        RegistryUnreachable,
        r"no such host|name or service not known|name resolution|failed to resolve|connection refused|no route to host"
        r"|network is unreachable|nodename nor servname|host is unreachable|cannot be looked up",
        "There is no registry to be reached at {host}.",
        "Check the host's name, and the network or proxy between here and there.",
    ),
    _kind(
        RegistryUnavailable,
        r"HTTP (status: )?5\d\d|service unavailable|bad gateway|internal server error|UNAVAILABLE",
        "The registry {host} cannot serve at the moment.",
        "Push again later: layers that arrived are kept.",
    ),
    _kind(
        UnexpectedAnswer,
        r"error parsing|invalid character|unsupported|malformed|not a manifest|digest .*(mismatch|did not match)"
        r"|blob upload (unknown|invalid)|unexpected HTTP",
        "What answers at {host} is not a registry, or broke its protocol.",
        "Check the host in [registries.{name}]; a proxy's or a login page may stand in the way.",
    ),
    _kind(
        ConnectionCut,
        r"\bEOF\b|connection reset|broken pipe|timed? ?out|timeout|deadline exceeded|closed (network )?connection"
        r"|closed the connection|connection (was )?aborted|incomplete|server closed|remote end closed",
        "The connection to {host} ended in the middle.",
        "Push again: layers that arrived are kept.",
    ),
)
_OTHER = _kind(
    RegistryError, r"", "The registry {host} refused the push to {repository}.", "Its own words say what to do."
)


def complaint(
    words: str, *, target: RegistryTarget, credential: Credential | None, logged_in: bool = False
) -> RegistryError:
    """The error that `words` of the registry, its token service or the Docker Engine mean, with those words in it.

    `logged_in` says that the registry accepted the credential before: what it then calls unauthorized is a missing
    right. The secret is taken out of the words, and whatever is not printable.
    """
    kind = next((kind for kind in _KINDS if kind.words.search(words)), _OTHER)
    if issubclass(kind.error, AuthenticationFailed | InsufficientScope) and credential and credential.expired():
        kind = _EXPIRED
    elif kind.error is AuthenticationFailed and logged_in:
        kind = _SCOPE
    own_words = _shown(credential.redact(words) if credential else words)
    return _error(kind, f"It says: {own_words}" if own_words else "", target, credential)


def complaint_of_ours(
    error: type[RegistryError], sentence: str, *, target: RegistryTarget, credential: Credential | None
) -> RegistryError:
    """The error of that kind, with a sentence in it that says what dbmirror itself found, without its full stop."""
    kind = next(kind for kind in _KINDS if kind.error is error)
    return _error(kind, _shown(credential.redact(sentence) if credential else sentence), target, credential)


def _error(kind: _Kind, further: str, target: RegistryTarget, credential: Credential | None) -> RegistryError:
    facts = {
        "host": target.host,
        "name": target.name,
        "repository": target.repository,
        "user": _shown(credential.username) if credential and credential.username else "this user",
        "source": credential.source if credential else "nowhere",
    }
    message = kind.sentence.format(**facts)
    if further:
        message += f" {further}" if further[-1] in ".!?" else f" {further}."
    return kind.error(message, remedy=kind.remedy.format(**facts))


def _shown(words: str) -> str:
    return foreign_line(words, _LONGEST)
