"""The lock: one source for each package that goes into the image, and exactly one fate for each that was found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from dbmirror.inventory.layers import Layer
from dbmirror.inventory.model import Architecture, DebianName, DebianVersion, Glibc, Name, PythonVersion, Text, Version
from dbmirror.lock.fates import Fate, FateKind, count_fates

Sha256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Url = Annotated[str, Meta(pattern=r"\A(https?|file)://[!-~]+\Z", max_length=4096)]
"""An absolute URL of printable ASCII characters, without credentials."""
GitUrl = Annotated[str, Meta(pattern=r"\A(https?|ssh)://[!-~]+\Z", max_length=4096)]
"""The address of a git repository, without credentials (a user name in front of an ssh host is none)."""
FileName = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._+!-]*\Z", max_length=400)]
"""The name of a wheel or source distribution: no slash, no space, no leading dash."""
RelativePath = Annotated[str, Meta(pattern=r"\A(wheels|sources)/[A-Za-z0-9][A-Za-z0-9._+!-]*\Z", max_length=400)]
"""A file in the mirror's folder."""


class ImageLayer(StrEnum):
    """The layers of an image in their order, from what changes least to what changes most."""

    SYSTEM = "system"
    RUNTIME = "runtime"
    CLUSTER = "cluster"
    NOTEBOOK = "notebook"


IMAGE_LAYER_OF: dict[Layer, ImageLayer] = {
    **dict.fromkeys(Layer, ImageLayer.RUNTIME),
    Layer.APT: ImageLayer.SYSTEM,
    Layer.CLUSTER: ImageLayer.CLUSTER,
    Layer.NOTEBOOK: ImageLayer.NOTEBOOK,
}
"""The layer of the image that a Python package goes to, by its layer on the cluster."""


class IndexFile(Struct, frozen=True, kw_only=True, tag="index", tag_field="source"):
    """A file of a package index, the one that an installer for the lock's target takes."""

    filename: FileName
    url: Url
    sha256: Sha256
    size: int | None = None
    index: Url
    """The index (simple API) that lists it."""

    @property
    def is_wheel(self) -> bool:
        """Whether it installs without a build."""
        return self.filename.endswith(".whl")


class UrlFile(Struct, frozen=True, kw_only=True, tag="url", tag_field="source"):
    """An archive at a URL of its own, as the cluster's direct_url.json names it."""

    filename: FileName
    url: Url
    sha256: Sha256
    subdirectory: Text | None = None

    @property
    def is_wheel(self) -> bool:
        """Whether it installs without a build."""
        return self.filename.endswith(".whl")


class GitSource(Struct, frozen=True, kw_only=True, tag="git", tag_field="source"):
    """A commit of a git repository, archived into the mirror's folder when the lock is made."""

    url: GitUrl
    commit: Annotated[str, Meta(pattern=r"\A[0-9a-f]{40}([0-9a-f]{24})?\Z")]
    path: RelativePath
    """The archive, `sources/NAME-COMMIT.tar.gz`: the build needs neither git nor the repository."""
    sha256: Sha256
    subdirectory: Text | None = None

    @property
    def is_wheel(self) -> bool:
        """Never: a source tree is built."""
        return False


class CapturedWheel(Struct, frozen=True, kw_only=True, tag="captured", tag_field="source"):
    """A wheel packed again from the files that the cluster has installed, each checked against its RECORD."""

    path: RelativePath
    sha256: Sha256

    @property
    def is_wheel(self) -> bool:
        """Always."""
        return True


class AptPackage(Struct, frozen=True, kw_only=True, tag="apt", tag_field="source"):
    """A Debian package that the image's own distribution carries at the version that the cluster has."""

    package: DebianName
    version: DebianVersion

    @property
    def is_wheel(self) -> bool:
        """Never: apt installs it."""
        return False


Source = IndexFile | UrlFile | GitSource | CapturedWheel | AptPackage


class BuildRequirement(Struct, frozen=True, kw_only=True):
    """A package that another one's build imports: never in the image."""

    name: Name
    version: Version
    sha256: Sha256
    """Of its file, which is one of `Lock.support`: a wheel, or a source that is built for this build."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Why a package has no source: a sentence that begins small and has no full stop."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedPackage:
    """One package that goes into the image."""

    name: Name
    version: Version
    layer: ImageLayer
    source: Source
    requires: tuple[Text, ...] = ()
    """Its Requires-Dist lines on the cluster."""
    build_requires: tuple[BuildRequirement, ...] = ()
    """All that its build imports, sorted by name, for one that is built from source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The machine that the sources were chosen for: the cluster's, never this one's."""

    python: PythonVersion
    architecture: Architecture
    """`x86_64`."""
    glibc: Glibc


class BaseKind(StrEnum):
    """What a base image brings."""

    OFFICIAL = "official"
    """A `databricksruntime/*` image: Java, Python environment, users and most packages are there."""
    BARE = "bare"
    """Any Ubuntu or Debian image: the template brings the whole contract."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseImage:
    """The image that the mirror is built on."""

    reference: Annotated[str, Meta(pattern=r"\A[a-z0-9][A-Za-z0-9._/:@-]*\Z", max_length=400)]
    """As FROM names it; with `@sha256:…` where a digest is known."""
    kind: BaseKind
    image_id: Annotated[str, Meta(pattern=r"\A(sha256:[0-9a-f]{64})?\Z")] = ""
    """The engine's id of what the reference meant when the lock was made."""
    os_id: Text = ""
    os_version: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """The whole lock of a mirror's Python half. Packages and fates are sorted by name, then by layer."""

    snapshot: Text
    """Digest of the snapshot that it was made from."""
    runtime: Text
    """`15.4`: the Databricks Runtime that the image is for."""
    target: Target
    base: BaseImage
    packages: tuple[LockedPackage, ...]
    fates: tuple[Fate, ...]
    indexes: tuple[Url, ...] = ()
    """The package indexes that were asked, in order."""
    support: tuple[IndexFile, ...] = ()
    """Wheels that the build works with, sorted by file name: the installer, what the runtime's environments are made
    with, and what packages that are built from source require for it."""

    def counts(self) -> dict[FateKind, int]:
        """How many packages have each fate; the sum is the number of distributions and problems found."""
        return count_fates(self.fates)
