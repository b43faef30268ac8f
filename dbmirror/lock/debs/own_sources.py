"""The archives that this machine's own apt is configured for: they may be asked wherever they are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from dbmirror.http_client.addresses import origin_of
from dbmirror.http_client.logins import Feed, Logins
from dbmirror.http_client.refused import Refused

APT: Final = Path("/etc/apt")
"""Root's alone. A machine with another system has none."""
LARGEST: Final = 1 << 20
"""Bytes that are read of each file."""
_ADDRESS: Final = re.compile(r"^(?!\s*#).*?(?:\A|\s)(https?://[!-~]+)", re.MULTILINE)


def archives_of_this_machine(folder: Path | None = None) -> Logins:
    """The scheme, host and port of each source in sources.list(5) of `folder`. Nobody logs in there.

    A company's network may answer with a copy for the name of a distribution's archive. This machine's administrator
    says which archives those are; `internal_hosts` of the user's settings says it where apt is not this machine's.
    """
    feeds, folder = [], folder or APT
    for path in (folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))):
        try:
            with path.open("rb") as stream:
                text = stream.read(LARGEST).decode("utf-8", "replace")
        except OSError:
            continue
        for url in _ADDRESS.findall(text):
            try:
                scheme, host, port = origin_of(url)
            except Refused:
                continue
            feeds.append(Feed(url=f"{scheme}://{host}:{port}/", anonymous=True))
    return Logins(feeds)
