"""The R half of a lock: one source for each R package that goes into the image, one fate for each that was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta, Struct

from dbmirror.inventory.model import DebianName, DebianVersion, RName, RVersion, Text
from dbmirror.lock.fates import Fate, FateKind, count_fates
from dbmirror.lock.model import GitUrl, Sha256, Url

RFileName = Annotated[str, Meta(pattern=r"\A[A-Za-z][A-Za-z0-9.]*_[0-9][0-9.-]*\.tar\.gz\Z", max_length=300)]
"""`NAME_VERSION.tar.gz`."""
SourcePath = Annotated[str, Meta(pattern=r"\Ar-sources/[A-Za-z0-9][A-Za-z0-9._+-]*\Z", max_length=400)]
"""A file in the mirror's folder: one of R's own, so that neither half of the lock removes what the other one names."""


class CranFile(Struct, frozen=True, kw_only=True, tag="cran", tag_field="source"):
    """A package file of a CRAN-like repository: current in `src/contrib`, or in its archive."""

    filename: RFileName
    url: Url
    repository: Url
    """The repository (a dated snapshot where there is one), without `src/contrib`."""
    sha256: Sha256
    """Of the file as it was when the lock was made: PACKAGES files state no more than an MD5."""
    size: Annotated[int, Meta(ge=0)] | None = None
    """Bytes."""
    archived: bool = False
    path: SourcePath | None = None
    """Its copy in the mirror's folder, where the repository is a folder that no build can see."""
    binary: bool = False
    """Built for the cluster's R and the image's distribution. A server that has source and binary under one address
    gives it to the user agent of R alone: see `dbmirror.lock.r.binary.r_user_agent`."""


class RGitSource(Struct, frozen=True, kw_only=True, tag="git", tag_field="source"):
    """A commit that the `Remote*` fields name, archived into the mirror's folder when the lock is made."""

    url: GitUrl
    commit: Annotated[str, Meta(pattern=r"\A[0-9a-f]{40}([0-9a-f]{24})?\Z")]
    path: SourcePath
    """The archive, below the one folder `NAME-COMMIT`: the build needs neither git nor the repository."""
    sha256: Sha256
    subdirectory: Text | None = None
    """The folder of the package in the repository, where it is not its root."""


class CapturedRPackage(Struct, frozen=True, kw_only=True, tag="captured", tag_field="source"):
    """An installed package's folder, packed from the driver: it fits the very R that it was built under.

    A binary package as `R CMD INSTALL` takes it: `NAME_VERSION_R_x86_64-pc-linux-gnu.tar.gz`, with the folder NAME.
    """

    path: SourcePath
    sha256: Sha256


class RAptPackage(Struct, frozen=True, kw_only=True, tag="apt", tag_field="source"):
    """A Debian package (`r-cran-…`) of the image's own distribution, at the cluster's version."""

    package: DebianName
    version: DebianVersion


RSource = CranFile | RGitSource | CapturedRPackage | RAptPackage


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedRPackage:
    """One R package that goes into the image."""

    name: RName
    version: RVersion
    source: RSource
    depends: tuple[RName, ...] = ()
    """What must be installed before it: Depends, Imports and LinkingTo that are locked, too."""
    system_requirements: Text | None = None
    needs_compilation: bool = False
    from_cluster_library: bool = False
    """It is a cluster library: it goes into the layer that changes more often."""
    addition: Text | None = None
    """Why the image has it although the cluster has not (a sentence); such a package has no fate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RLacking:
    """A package that the image should have beyond the cluster's own, and for which there is no source."""

    name: RName
    reason: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class RLock:
    """The R half of a mirror's lock, written as renv.lock and r-fates.json. Sorted by name."""

    snapshot: Text
    r_version: RVersion
    repositories: tuple[Url, ...]
    packages: tuple[LockedRPackage, ...]
    fates: tuple[Fate, ...]
    base: Text = ""
    """The image (its id, else its reference) whose own packages were counted as provided."""
    lacking: tuple[RLacking, ...] = ()

    def counts(self) -> dict[FateKind, int]:
        """How many R packages have each fate; the sum is the number of R packages found."""
        return count_fates(self.fates)
