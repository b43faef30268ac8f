"""Which address is asked, and which one after it where a server redirects."""

from __future__ import annotations

from urllib.parse import urldefrag, urljoin, urlsplit

from requests.utils import requote_uri

from dbmirror.foreign_text.clean_urls import without_login
from dbmirror.http_client.addresses import origin_of
from dbmirror.http_client.refused import Cause, Refused


def clean_address(url: str) -> str:
    """`url` without credentials and fragment, quoted once. Raises Refused where it has no usable form."""
    origin_of(url)
    return requote_uri(urldefrag(without_login(url)).url)


def redirected(address: str, target: str) -> str:
    """Where a redirect from `address` leads. Raises Refused where it leaves TLS, or HTTP."""
    try:
        following = clean_address(urljoin(address, target))
    except ValueError as error:
        raise Refused("redirects to an address of no usable form", cause=Cause.REDIRECT) from error
    if urlsplit(following).scheme not in {"http", "https"}:
        raise Refused("redirects to an address of no usable form", cause=Cause.REDIRECT)
    if urlsplit(address).scheme == "https" and urlsplit(following).scheme == "http":
        raise Refused("redirects from https to http, which anyone on the way could change", cause=Cause.REDIRECT)
    return following
