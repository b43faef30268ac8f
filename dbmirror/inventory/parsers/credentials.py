"""Take what is secret out of a URL and leave what finds the file."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit, urlunsplit

_SECRET_PARAMETER = re.compile(
    r"tok|sig|sec|pass|pwd|key|cred|auth|jwt|session|access|code|sas|bearer|api|x-amz|x-goog|x-ms|nonce", re.IGNORECASE
)
"""Names of query parameters that may be secret: rather one too many than one too few."""
_HARMLESS_FRAGMENT = re.compile(r"(sha256|sha384|sha512|sha1|md5|egg|subdirectory)=[A-Za-z0-9._/+-]*", re.IGNORECASE)
_USER_OF_SSH = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,31}")
_PATH_PARAMETERS = re.compile(r";[^/]*")
_NESTED = re.compile(r"@|://|%")
"""A value of a query that holds another URL, which may have credentials of its own."""
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[/\\\\]+[^\s'\"<>]*[^\s'\"<>;]")
_LEFT_OVER = re.compile(r":.*@", re.DOTALL)


class CredentialsInUrl(ValueError):
    """A URL is so odd that its credentials cannot be told from the rest."""


def without_credentials(url: str) -> str:
    """`url` without user and password, secret query parameters and odd fragments; ssh keeps its user (`git@`).

    Raises CredentialsInUrl where the URL cannot be taken apart with certainty.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # a password with a slash or hash in it shows up as a port that is no number
    except ValueError:
        raise CredentialsInUrl("the URL cannot be taken apart") from None
    user, at, host = parts.netloc.rpartition("@")
    if at and parts.scheme.endswith("ssh") and _USER_OF_SSH.fullmatch(user):
        host = f"{user}@{host}"
    path = _PATH_PARAMETERS.sub("", parts.path)
    query = "&".join(part for part in re.split("[&;]", parts.query) if _is_harmless(part))
    fragment = "&".join(part for part in parts.fragment.split("&") if _HARMLESS_FRAGMENT.fullmatch(part))
    clean = urlunsplit((parts.scheme, host, path, query, fragment))
    if not parts.netloc and "@" in parts.path.partition("/")[0] and parts.scheme != "file":
        # scp's way of writing an address, `user:secret@host:path`, is not a URL and gets no benefit of the doubt.
        before, _, after = clean.rpartition("@")
        clean = after if ":" in before else clean
    if parts.scheme != "file" and _LEFT_OVER.search(path if parts.netloc else clean.partition(":")[2]):
        raise CredentialsInUrl("the URL hides credentials in an unusual place")
    return clean


def _is_harmless(parameter: str) -> bool:
    name, equals, value = parameter.partition("=")
    nested = _NESTED.search(unquote(name)) or _NESTED.search(unquote(value))
    return bool(equals) and not nested and not _SECRET_PARAMETER.search(unquote(name))


def without_credentials_in_text(text: str) -> str:
    """`text` with every URL in it cleaned; one that cannot be cleaned is replaced by `removed:`."""

    def clean(match: re.Match[str]) -> str:
        try:
            return without_credentials(match.group())
        except CredentialsInUrl:
            return "removed:"

    return _URL.sub(clean, text)
