"""Distributions that the cluster installed from an address of their own (PEP 610): archives and git repositories."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from dbmirror.foreign_text.clean_urls import without_query
from dbmirror.http_client.refused import Refused
from dbmirror.inventory.model import DirectUrl, Distribution
from dbmirror.lock.git_commit import archive_commit
from dbmirror.lock.model import GitSource, UrlFile
from dbmirror.lock.python.index import Index

ARCHIVES = (".whl", ".tar.gz", ".zip")
LARGEST = 2 << 30


def direct_source(distribution: Distribution, origin: DirectUrl, *, index: Index, folder: Path) -> UrlFile | GitSource:
    """The source that `origin` names, fetched and hashed. Raises Refused with the reason where it cannot be used.

    An archive must still be the one that the cluster recorded; where it recorded no hash, the one that is there now.
    The address is a cluster's word, and asked as `Client` says: where it leads to this machine, not at all.
    """
    if origin.editable:
        raise Refused("it was installed in editable mode, from a folder of the driver")
    if origin.vcs == "git":
        return archive_commit(
            origin, name=distribution.name, version=distribution.version, folder=folder, client=index.client
        )
    if origin.vcs is not None:
        raise Refused(f"it was installed from a {origin.vcs} repository, and only git is supported")
    if urlsplit(origin.url).scheme not in {"http", "https"}:
        raise Refused(f"it was installed from {_place(origin.url)}, which only the cluster can read")
    filename = archive_name(origin.url)
    if filename is None:
        raise Refused("it was installed from an address that is not that of a wheel or a source archive")
    _check_wheel(filename, distribution)
    url = without_query(origin.url)
    try:
        found = index.download(url, limit=LARGEST)
    except Refused as refusal:
        raise Refused(f"the address that it was installed from {refusal}") from refusal
    if origin.sha256 is not None and found.sha256 != origin.sha256:
        raise Refused("the address that it was installed from has another file now than the cluster recorded")
    return UrlFile(filename=filename, url=url, sha256=found.sha256, subdirectory=origin.subdirectory)


def archive_name(url: str) -> str | None:
    """The file name at the end of `url`, if it is that of a wheel or an archive that pip and uv install."""
    name = unquote(urlsplit(url).path.rpartition("/")[2])
    return name if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+!-]*", name) and name.endswith(ARCHIVES) else None


def _check_wheel(filename: str, distribution: Distribution) -> None:
    if not filename.endswith(".whl"):
        return
    try:
        name, version, _, _ = parse_wheel_filename(filename)
        fits = name == distribution.name and version == Version(distribution.version)
    except (InvalidWheelFilename, InvalidVersion):
        fits = False
    if not fits:
        raise Refused(f"it was installed from {filename}, which is not a wheel of this name and version")


def _place(url: str) -> str:
    return "a file of the driver" if url.startswith("file:") else f"a {urlsplit(url).scheme or 'nameless'} address"
