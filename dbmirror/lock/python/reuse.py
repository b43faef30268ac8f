"""What of an earlier lock still holds: an unchanged cluster is locked without a request, to the same bytes."""

from __future__ import annotations

from pathlib import Path

from dbmirror.foreign_text.clean_urls import without_query
from dbmirror.inventory.model import DirectUrl, Distribution
from dbmirror.lock.fates import Fate, FateKind
from dbmirror.lock.model import (
    AptPackage,
    BaseImage,
    CapturedWheel,
    GitSource,
    IndexFile,
    Lock,
    LockedPackage,
    Source,
    Target,
    UrlFile,
)
from dbmirror.mirror_folder.files import sha256_below

Reused = tuple[LockedPackage | None, Fate]
"""A package as it was locked, if it was, and its fate."""


def reusable(
    previous: Lock | None,
    *,
    snapshot: str,
    target: Target,
    base: BaseImage,
    indexes: tuple[str, ...],
    folder: Path,
) -> dict[tuple[str, str], Reused]:
    """What of `previous` holds for a lock of the same `target`, by name and version.

    A source holds while the same indexes are asked in the same order, or its archive still lies in `folder` unchanged,
    or (apt) the base image is the same. That a package has no source holds only where nothing changed.
    """
    if previous is None or previous.target != target:
        return {}
    unchanged = (previous.snapshot, previous.base, previous.indexes) == (snapshot, base, indexes)
    packages = {package.name: package for package in previous.packages}
    found: dict[tuple[str, str], Reused] = {}
    for fate in previous.fates:
        if fate.kind in {FateKind.PROVIDED, FateKind.EXCLUDED} or not (unchanged or fate.kind is FateKind.MIRRORED):
            continue
        package = packages.get(fate.name)
        if package is None:
            found[fate.name, fate.version] = (None, fate)
        elif _still_there(package.source, previous=previous, base=base, indexes=indexes, folder=folder):
            found[fate.name, fate.version] = (package, fate)
    return found


def still_fits(source: Source, distribution: Distribution) -> bool:
    """Whether `source` is of the kind that the distribution is locked from: its direct_url.json may have changed."""
    origin: DirectUrl | None = distribution.direct_url
    if isinstance(source, GitSource):
        return origin is not None and source.commit == (origin.commit or "").lower()
    if isinstance(source, UrlFile):
        return (
            origin is not None
            and source.url == without_query(origin.url)
            and (origin.sha256 is None or source.sha256 == origin.sha256)
        )
    if isinstance(source, IndexFile):
        return origin is None or source.sha256 == origin.sha256
    return not isinstance(source, AptPackage) or source.package == distribution.apt_package


def _still_there(source: Source, *, previous: Lock, base: BaseImage, indexes: tuple[str, ...], folder: Path) -> bool:
    if isinstance(source, IndexFile):
        # Another order is another decision: a new index that comes first may be the one that a name belongs to.
        return previous.indexes == indexes
    if isinstance(source, AptPackage):
        return previous.base == base
    if isinstance(source, GitSource | CapturedWheel):
        return sha256_below(folder, source.path) == source.sha256
    return True
