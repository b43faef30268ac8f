"""Takes credentials out of URLs before they are written; what finds the file stays."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit, urlunsplit

from dbmirror.foreign_text.secret_names import is_secret_parameter

HARMLESS_FRAGMENTS = ("sha256=", "sha384=", "sha512=", "sha1=", "md5=", "egg=", "subdirectory=")
"""How fragments begin that tell an installer what it needs and nobody a secret."""
_HARMLESS_FRAGMENT = re.compile(rf"({'|'.join(HARMLESS_FRAGMENTS)})[A-Za-z0-9._/+-]*", re.IGNORECASE)
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
"""A name before the host that is no credential: `git@` of ssh, the container of an Azure storage account."""
_WEB = ("http", "https")
_PATH_PARAMETERS = re.compile(r";[^/]*")
_NESTED = re.compile(r"@|://|%")
"""A value of a query that holds another URL, which may have credentials of its own."""
_URL = re.compile(r"(?<![A-Za-z0-9+.-])[0-9+.-]*+[A-Za-z][A-Za-z0-9+.-]*+:[/\\]++[^\s'\"<>]*[^\s'\"<>;]")
"""Possessive, so that the search is linear in a hostile text."""


class CredentialsInUrl(ValueError):
    """A URL is so odd that its credentials cannot be told from the rest."""


def clean_url(url: str) -> str:
    """`url` without user and password, secret query parameters and odd fragments.

    A user without a password stays where it is no credential: `git+ssh://git@…`, `abfss://container@account…`.

    Raises CredentialsInUrl where the URL cannot be taken apart with certainty.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # a password with a slash or hash in it shows up as a port that is no number
    except ValueError:
        raise CredentialsInUrl("the URL cannot be taken apart") from None
    user, at, host = parts.netloc.rpartition("@")
    if at and parts.scheme.rpartition("+")[2] not in _WEB and _USER.fullmatch(user):
        host = f"{user}@{host}"
    path = _PATH_PARAMETERS.sub("", parts.path)
    query = "&".join(part for part in re.split("[&;]", parts.query) if _is_harmless(part))
    fragment = "&".join(part for part in parts.fragment.split("&") if _HARMLESS_FRAGMENT.fullmatch(part))
    clean = urlunsplit((parts.scheme, host, path, query, fragment))
    if not parts.netloc and "@" in parts.path.partition("/")[0] and parts.scheme != "file":
        # scp's way of writing an address, `user:secret@host:path`, is not a URL and gets no benefit of the doubt.
        before, _, after = clean.rpartition("@")
        clean = after if ":" in before else clean
    if parts.scheme != "file" and _has_login(path if parts.netloc else clean.partition(":")[2]):
        raise CredentialsInUrl("the URL hides credentials in an unusual place")
    return clean


def without_login(url: str) -> str:
    """`url` without user and password, and else as it is: for an address that links start from."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def without_query(url: str) -> str:
    """`url` without user, password, query and fragment: a file's address, as a lock holds it."""
    return urlsplit(without_login(url))._replace(query="", fragment="").geturl()


def _has_login(text: str) -> bool:
    return -1 < text.find(":") < text.rfind("@")


def _is_harmless(parameter: str) -> bool:
    name, equals, value = parameter.partition("=")
    nested = _NESTED.search(unquote(name)) or _NESTED.search(unquote(value))
    return bool(equals) and not nested and not is_secret_parameter(name)


def clean_urls_in(text: str) -> str:
    """`text` with every URL in it cleaned; one that cannot be cleaned is replaced by `removed:`."""

    def clean(match: re.Match[str]) -> str:
        try:
            return clean_url(match.group())
        except CredentialsInUrl:
            return "removed:"

    return _URL.sub(clean, text)
