"""The Debian packages of an image as files of archives, by the step of the build that installs them."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from dbmirror.inventory.model import Text
from dbmirror.lock.model import Sha256, Url

SCHEMA: Final = 1
DebName = Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9+.-]*_[A-Za-z0-9.+~%-]+_[a-z0-9-]+\.deb\Z", max_length=400)]
"""`NAME_VERSION_ARCHITECTURE.deb`, as apt calls it in its cache: a colon is written `%3a`."""
StepName = Annotated[str, Meta(pattern=r"\A[a-z]+(-[a-z]+)*\Z", max_length=40)]
AptWord = Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9+.-]*(=[A-Za-z0-9][A-Za-z0-9.+:~-]*)?\Z", max_length=300)]
"""`NAME` or `NAME=VERSION`, as apt-get takes it."""


class DebFile(Struct, frozen=True, kw_only=True):
    """A package that apt chose, with the SHA-256 that the signed archive states."""

    filename: DebName
    url: Url
    sha256: Sha256
    size: Annotated[int, Meta(ge=0)]

    @property
    def package(self) -> str:
        """`NAME:ARCHITECTURE=VERSION`, as apt-cache takes it; the name alone where the package fits all of them."""
        name, version, architecture = self.filename.removesuffix(".deb").split("_")
        return f"{name}{'' if architecture == 'all' else f':{architecture}'}={version.replace('%3a', ':')}"


class DebianStep(Struct, frozen=True, kw_only=True):
    """One step of a build that installs Debian packages."""

    name: StepName
    below: StepName | None
    """The step whose packages are there already; None where the step runs on the base itself."""
    packages: tuple[AptWord, ...]
    """What it is asked for."""
    preferences: bool = False
    """Whether R's preferences of apt hold (`RApt.preferences`)."""


class LockedStep(DebianStep, frozen=True, kw_only=True):
    """A step with all that it installs: what it is asked for and what that needs, as far as it is not there."""

    files: tuple[DebFile, ...]

    @property
    def step(self) -> DebianStep:
        """The step as it was asked for."""
        return DebianStep(name=self.name, below=self.below, packages=self.packages, preferences=self.preferences)


class DebianLock(Struct, frozen=True, kw_only=True):
    """The Debian packages of a mirror's image, and for which base they were chosen."""

    base: Text = ""
    image_id: Text = ""
    """The base's name, and the engine's id of what it meant."""
    r_sources: Text = ""
    """Digest of the apt repository for R, and of the version of R that the preferences ask for; empty without R."""
    steps: tuple[LockedStep, ...] = ()
    """Each after the one below it."""
    schema: Literal[1] = SCHEMA

    def files(self) -> tuple[DebFile, ...]:
        """The files of all steps."""
        return tuple(file for step in self.steps for file in step.files)
