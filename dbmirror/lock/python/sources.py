"""Where one package comes from: apt, an address of its own, an index; or why from nowhere."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import msgspec
from pypi_simple import DistributionPackage

from dbmirror.foreign_text.clean_urls import without_query
from dbmirror.foreign_text.decoding import convert
from dbmirror.http_client.refused import Cause, Refused
from dbmirror.inventory.model import Distribution
from dbmirror.lock.apt_candidates import upstream
from dbmirror.lock.model import AptPackage, GitSource, IndexFile, Missing, Source, Target
from dbmirror.lock.python.candidates import NoFile
from dbmirror.lock.python.direct_urls import direct_source
from dbmirror.lock.python.index import Index, unusable
from dbmirror.lock.python.index_location import IndexLocation
from dbmirror.lock.python.index_search import search, search_all
from dbmirror.lock.python.index_settings import IndexGroup


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A source, and the sentence that says what it is."""

    source: Source
    reason: str
    substitute: str | None = None
    """What the image gets, where it is not the cluster's version."""
    version: str | None = None
    """The version of the distribution that comes with the substitute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AptFacts:
    """What dpkg says on the cluster and apt in the base image, package to version."""

    installed: Mapping[str, str]
    candidates: Mapping[str, str] | None
    """None where the base image could not be asked."""


class Named(Protocol):
    """A release that an index may have."""

    @property
    def name(self) -> str:
        """In PEP 503's form."""

    @property
    def version(self) -> str:
        """As it is spelt where it is installed."""


def from_index(
    distribution: Named,
    *,
    index: Index,
    target: Target,
    hashes: Collection[str] | None = None,
    groups: Sequence[IndexGroup] | None = None,
) -> Found | Missing:
    """The file for the distribution's version of the index that decides about it, as uv's or pip's rules have it.

    With `hashes` (SHA-256) only a file of one of them; with `groups` only those indexes are asked. Raises
    IndexUnreachable where an index gives no answer, or one that is no word on the distribution: that is no fate of a
    package.
    """
    name, version = distribution.name, distribution.version
    if groups is None:
        offer = search_all(name, version, index=index, target=target, hashes=hashes)
    else:
        offer = search(name, version, index=index, target=target, groups=groups, hashes=hashes)
    if isinstance(offer, NoFile):
        return Missing(reason=offer.reason)
    try:
        found = _index_file(offer.file, offer.location, index)
    except Refused as refusal:
        raise unusable(offer.location, refusal, distribution.name) from refusal
    if offer.others:
        others = ", ".join(f"the index at {other.host}" for other in offer.others)
        text = f"{found.reason} Another file of that name is on {others}, which is passed over."
        return replace(found, reason=text)
    return found


def from_apt(distribution: Distribution, *, index: Index, target: Target, apt: AptFacts) -> Found | Missing:
    """The Debian package that owns the distribution, if the image's distribution has it at that version.

    Else a wheel of that very version from an index; else the Debian package at another version, as a substitute: it
    fits the image's own libraries, which a build from source of the cluster's version need not; else that build.
    """
    package = distribution.apt_package
    if package is None:
        return Missing(reason="no Debian package owns it")
    had = apt.installed.get(package)
    candidate = (apt.candidates or {}).get(package)
    if candidate is not None and _same_upstream(had or distribution.version, candidate):
        return Found(
            source=AptPackage(package=package, version=candidate),
            reason=f"From the Debian package {package} {candidate}"
            + (f" (the cluster has {had})." if had and had != candidate else "."),
        )
    found = from_index(distribution, index=index, target=target)
    if isinstance(found, Found) and (found.source.is_wheel or candidate is None):
        return found
    if candidate is not None:
        return Found(
            source=AptPackage(package=package, version=candidate),
            reason=f"The cluster has it from the Debian package {package} {had or 'of unknown version'}, "
            f"the image's own distribution carries {candidate}.",
            substitute=f"{package} {candidate}",
            version=upstream(candidate),
        )
    asked = "is not among the image's own packages" if apt.candidates is not None else "was not looked for"
    return Missing(reason=f"it belongs to the Debian package {package}, which {asked}; {found.reason}")


def from_direct_url(distribution: Distribution, *, index: Index, target: Target, folder: Path) -> Found | Missing:
    """What the distribution's direct_url.json names; else that very file, by its hash, from an index.

    A file of the same name and version with another hash, or none to compare, is not taken: what was installed from
    an address of its own may be a private build, and its name on a public index anyone's.
    """
    origin = distribution.direct_url
    if origin is None:
        return Missing(reason="it has no address of its own")
    try:
        source = direct_source(distribution, origin, index=index, folder=folder)
    except Refused as refusal:
        if origin.sha256 is not None:
            found = from_index(distribution, index=index, target=target, hashes={origin.sha256})
            if isinstance(found, Found):
                return Found(source=found.source, reason="The very file that the cluster installed, from the index.")
        return Missing(reason=str(refusal))
    what = "commit" if isinstance(source, GitSource) else "archive"
    return Found(source=source, reason=f"The {what} that the cluster installed, from {source.url}")


def _index_file(file: DistributionPackage, location: IndexLocation, index: Index) -> Found:
    sha256, size = file.digests.get("sha256", "").lower(), file.size
    url = without_query(file.url)
    if not sha256:
        downloaded = index.download(file.url, location=location)
        sha256, size = downloaded.sha256, downloaded.size
    fields = {"source": "index", "filename": file.filename, "url": url, "sha256": sha256, "size": size}
    try:
        source = convert({**fields, "index": location.url}, IndexFile)
    except msgspec.ValidationError as error:
        text = "lists a file of that version with a malformed name, address or hash"
        raise Refused(text, cause=Cause.GARBAGE) from error
    form = "as a wheel" if source.is_wheel else "only as a source distribution, which is built for the image"
    return Found(source=source, reason=f"The index has it {form}{' (yanked there)' if file.is_yanked else ''}.")


def _same_upstream(one: str, other: str) -> bool:
    return one == other or upstream(one) == upstream(other)
