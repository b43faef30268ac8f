"""direct_url.json of a .dist-info (PEP 610): where a distribution came from if not from an index."""

from __future__ import annotations

from typing import Any

import msgspec

from dbmirror.foreign_text.clean_urls import CredentialsInUrl, clean_url
from dbmirror.foreign_text.decoding import convert, decode_json
from dbmirror.inventory.field_checks import printable
from dbmirror.inventory.model import DirectUrl
from dbmirror.inventory.parsers.malformed import Malformed


class _Archive(msgspec.Struct):
    hash: str | None = None
    hashes: dict[str, str] | None = None


class _Vcs(msgspec.Struct):
    vcs: str
    commit_id: str
    requested_revision: str | None = None


class _Folder(msgspec.Struct):
    editable: bool = False


class _Document(msgspec.Struct):
    url: str
    archive_info: _Archive | None = None
    vcs_info: _Vcs | None = None
    dir_info: _Folder | None = None
    subdirectory: str | None = None


def parse_direct_url(content: str) -> DirectUrl | Malformed:
    """The origin that `content` states, without credentials; `file:` URLs are kept as they are."""
    try:
        document = decode_json(content.encode("utf-8"), _Document)
        url = clean_url(document.url)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        return Malformed(f"its direct_url.json cannot be read: {printable(str(error))}")
    except CredentialsInUrl as error:
        return Malformed(f"its direct_url.json cannot be used: {error}")
    values: dict[str, Any] = {"url": url, "subdirectory": document.subdirectory or None}
    if document.vcs_info is not None:
        values["vcs"] = document.vcs_info.vcs
        values["commit"] = document.vcs_info.commit_id
        values["requested_revision"] = document.vcs_info.requested_revision or None
    if document.archive_info is not None:
        values["sha256"] = _sha256(document.archive_info)
    if document.dir_info is not None:
        values["editable"] = document.dir_info.editable
    try:
        return convert(values, DirectUrl)
    except msgspec.ValidationError as error:
        return Malformed(f"its direct_url.json has a value that is not valid: {printable(str(error))}")


def _sha256(archive: _Archive) -> str | None:
    stated = (archive.hashes or {}).get("sha256")
    if stated is None and archive.hash is not None and archive.hash.startswith("sha256="):
        stated = archive.hash.removeprefix("sha256=")
    return stated.lower() if stated is not None else None
