"""Where one R package comes from: apt, its git repository, a CRAN-like repository; or why from nowhere."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from msgspec.structs import replace

from dbmirror.http_client.refused import Refused
from dbmirror.inventory.model import RPackage
from dbmirror.lock.apt_candidates import upstream
from dbmirror.lock.model import Missing
from dbmirror.lock.r.binary import misfit
from dbmirror.lock.r.model import CranFile, RAptPackage, RSource
from dbmirror.lock.r.package_archive import read_package_file
from dbmirror.lock.r.packages_file import Listed
from dbmirror.lock.r.repository import Repositories, RFile, unusable
from dbmirror.lock.r.repository_settings import REMEDY, RepositoryLocation
from dbmirror.lock.r.versions import same_version
from dbmirror.mirror_folder.files import write_below
from dbmirror.mirror_folder.names import R_SOURCES


@dataclass(frozen=True, slots=True, kw_only=True)
class RFound:
    """A source, and the sentence that says what it is."""

    source: RSource
    reason: str
    description: RPackage | None = None
    """What its file says of itself, where that was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RTarget:
    """The R that the sources were chosen for: the cluster's, in the image's distribution."""

    r_version: str
    architecture: str
    os_id: str = ""
    os_version: str = ""


def from_apt(package: RPackage, candidates: Mapping[str, str]) -> RFound | Missing:
    """The Debian package that owns it, if the image's distribution has it at that version."""
    name = package.apt_package
    candidate = candidates.get(name or "")
    if name is None or candidate is None:
        return Missing(reason="the image's own distribution does not carry it")
    if not same_version(upstream(candidate), package.version):
        return Missing(reason=f"the image's own distribution carries it at {upstream(candidate)}")
    return RFound(
        source=RAptPackage(package=name, version=candidate), reason=f"From the Debian package {name} {candidate}."
    )


def from_repositories(
    name: str, version: str, *, repositories: Repositories, target: RTarget, folder: Path
) -> RFound | Missing:
    """The file of the first repository that has the package at that version, current or in its archive.

    A built one only where it fits `target`. What comes out of a folder of this machine is copied to r-sources/ in
    `folder`. Raises RepositoryUnreachable where a repository gives no answer, or one that is no word on the package.
    """
    reasons = []
    for location in repositories.settings.repositories:
        listed = repositories.packages(location).listed.get((name, version))
        if location.binary and listed is None:
            continue
        try:
            outcome = _take(name, version, listed, location, repositories=repositories, target=target, folder=folder)
        except Refused as refusal:
            raise unusable(location, refusal, name) from refusal
        if isinstance(outcome, RFound):
            return outcome
        reasons.append(outcome.reason)
    if not reasons:
        return Missing(reason=f"no R repository is configured. {REMEDY.rstrip('.')}")
    return Missing(reason="; ".join(reasons))


def _take(
    name: str,
    version: str,
    listed: Listed | None,
    location: RepositoryLocation,
    *,
    repositories: Repositories,
    target: RTarget,
    folder: Path,
) -> RFound | Missing:
    filename = f"{name}_{version}.tar.gz"
    if listed is not None:
        path = f"{listed.path}/{filename}" if listed.path else filename
    else:
        path = f"Archive/{name}/{filename}"
    found = repositories.file(location, path)
    if found is None:
        where = "does not have that version" if _knows(name, location, repositories) else "does not have it"
        return Missing(reason=f"the repository at {location.host} {where}")
    if listed is not None and listed.md5 is not None and not location.binary:
        md5 = hashlib.md5(found.content, usedforsecurity=False).hexdigest()
        if md5 != listed.md5:
            return Missing(reason=f"the file that the repository at {location.host} has is not the one that it lists")
    description, built = read_package_file(found.content, name=name, version=version)
    source = CranFile(
        filename=filename,
        url=f"{location.url}/src/contrib/{quote(path)}",
        repository=location.url,
        archived=listed is None,
        sha256=found.sha256,
        size=len(found.content),
    )
    if built:
        unfit = misfit(built, r_version=target.r_version, architecture=target.architecture)
        if unfit is not None or not location.binary:
            unfit = unfit or "it is built, and the repository is not named as one for the image's distribution"
            return Missing(reason=f"of the file that the repository at {location.host} has, {unfit}")
        source = replace(source, binary=True)
    elif location.binary:
        return Missing(reason=f"the repository at {location.host} has it only as a source")
    if location.folder is not None:
        source = replace(source, path=_keep(found, filename, folder))
    else:
        repositories.keep(found)
    return RFound(source=source, reason=_reason(source, location), description=description)


def _reason(source: CranFile, location: RepositoryLocation) -> str:
    form = "in its archive" if source.archived else "as a binary package" if source.binary else "as its current version"
    return f"The repository at {location.host} has it {form}."


def _knows(name: str, location: RepositoryLocation, repositories: Repositories) -> bool:
    return name in repositories.packages(location).newest


def _keep(found: RFile, filename: str, folder: Path) -> str:
    path = f"{R_SOURCES}/{filename}"
    write_below(folder, {path: found.content})
    return path
