"""What of an earlier lock still holds: unchanged R packages are locked without a request, to the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dbmirror.inventory.model import RPackage
from dbmirror.lock.fates import FateKind
from dbmirror.lock.model import Missing
from dbmirror.lock.r.git_remotes import remote_type
from dbmirror.lock.r.model import CapturedRPackage, CranFile, LockedRPackage, RAptPackage, RGitSource, RLock
from dbmirror.lock.r.repository_settings import RepositorySettings
from dbmirror.lock.r.sources import RFound, RTarget
from dbmirror.lock.r.versions import same_version
from dbmirror.mirror_folder.files import sha256_below


def reusable(
    previous: RLock | None,
    wanted: Mapping[str, RPackage],
    *,
    snapshot: str,
    base: str,
    target: RTarget,
    settings: RepositorySettings,
    folder: Path,
    capturing: bool,
) -> dict[str, RFound | Missing]:
    """What of `previous` holds for the packages of `wanted`, by name.

    A source holds while its repository is still asked, or its archive lies in `folder` unchanged, or (apt) the base is
    the same. That a package has no source holds only where nothing changed and nothing more may be tried; that it was
    captured holds only while the same repositories are asked (see `captures`).
    """
    if previous is None or previous.r_version != target.r_version:
        return {}
    packages = {package.name: package for package in previous.packages if package.addition is None}
    fates = {
        fate.name: fate
        for fate in previous.fates
        if fate.kind in {FateKind.MIRRORED, FateKind.SUBSTITUTED, FateKind.UNAVAILABLE}
    }
    unchanged = (previous.snapshot, previous.base, previous.repositories) == (snapshot, base, settings.urls)
    found: dict[str, RFound | Missing] = {}
    for name, package in wanted.items():
        fate, locked = fates.get(name), packages.get(name)
        if fate is None or fate.version != package.version:
            continue
        if locked is not None:
            same_base = previous.base == base
            if isinstance(locked.source, CapturedRPackage) and previous.repositories != settings.urls:
                continue
            if _fits(locked, package) and still_there(locked, settings=settings, same_base=same_base, folder=folder):
                found[name] = RFound(source=locked.source, reason=fate.reason)
        elif fate.kind is FateKind.UNAVAILABLE and unchanged and not capturing:
            found[name] = Missing(reason=fate.reason.removesuffix("."))
    return found


def captures(previous: RLock | None, wanted: Mapping[str, RPackage], *, folder: Path) -> dict[str, CapturedRPackage]:
    """What `previous` had captured of the packages of `wanted` and lies in `folder` unchanged, by name."""
    return {
        locked.name: locked.source
        for locked in (previous.packages if previous else ())
        if isinstance(locked.source, CapturedRPackage)
        and locked.name in wanted
        and same_version(locked.version, wanted[locked.name].version)
        and sha256_below(folder, locked.source.path) == locked.source.sha256
    }


def still_there(locked: LockedRPackage, *, settings: RepositorySettings, same_base: bool, folder: Path) -> bool:
    """Whether the source of `locked` can still be used: its repository is asked, its archive lies there unchanged."""
    source = locked.source
    if isinstance(source, RAptPackage):
        return same_base
    if isinstance(source, CranFile):
        asked = any((each.url, each.binary) == (source.repository, source.binary) for each in settings.repositories)
        return asked and (source.path is None or sha256_below(folder, source.path) == source.sha256)
    return sha256_below(folder, source.path) == source.sha256


def _fits(locked: LockedRPackage, package: RPackage) -> bool:
    """Whether the source is of the kind that the package is locked from: its remote may have changed."""
    if not same_version(locked.version, package.version):
        return False
    source, kind = locked.source, remote_type(package)
    if isinstance(source, RGitSource):
        return kind == "git" and source.commit == dict(package.remote).get("RemoteSha", "").lower()
    if isinstance(source, RAptPackage):
        return source.package == package.apt_package
    return isinstance(source, CapturedRPackage) or kind == "repository"
