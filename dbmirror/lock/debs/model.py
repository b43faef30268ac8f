"""One Debian package as a file of an archive."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from dbmirror.lock.model import Sha256, Url

DebName = Annotated[str, Meta(pattern=r"\A[a-z0-9][A-Za-z0-9._+~%-]*\.deb\Z", max_length=400)]
"""`NAME_VERSION_ARCHITECTURE.deb`, as apt calls it in its cache: a colon is written `%3a`."""


class DebFile(Struct, frozen=True, kw_only=True):
    """A package that apt chose, with the SHA-256 that the signed archive states."""

    filename: DebName
    url: Url
    sha256: Sha256
    size: Annotated[int, Meta(ge=0)]
