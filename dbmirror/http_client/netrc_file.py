"""The user's netrc file: the login of a host, as pip, uv and git take it, and its `default` for no stranger's host."""

from __future__ import annotations

import netrc
import os
from pathlib import Path
from urllib.parse import urlsplit

from requests.utils import get_netrc_auth


def netrc_login(url: str, *, users: bool) -> tuple[str, str] | None:
    """User and password for the host of `url`; None where there is none, or no usable file.

    With `users` the user named that address. Where only a file of a repository does, `default` is not meant for it:
    then there has to be an entry for the very host.
    """
    found: tuple[str, str] | None = get_netrc_auth(url)
    return found if users or (urlsplit(url).hostname or "") in _hosts() else None


def _hosts() -> frozenset[str]:
    """The hosts that have an entry, in the file that requests would read."""
    named = os.environ.get("NETRC")
    places = [Path(named)] if named is not None else [Path.home() / name for name in (".netrc", "_netrc")]
    path = next((place.expanduser() for place in places if place.expanduser().exists()), None)
    try:
        return frozenset(netrc.netrc(path).hosts) - {"default"} if path is not None else frozenset()
    except (netrc.NetrcParseError, OSError, UnicodeDecodeError):
        return frozenset()
