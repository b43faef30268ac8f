"""The Debian packages for R, and those that its packages bind or call (r_system_libraries.toml)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

import msgspec

from dbmirror.foreign_text.decoding import decode_toml
from dbmirror.lock.model import BaseImage
from dbmirror.lock.r.model import LockedRPackage, RAptPackage
from dbmirror.render.debian_packages import distribution_of, renamed
from dbmirror.render.errors import RenderError


class Need(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of r_system_libraries.toml."""

    reason: str
    requirement: str | None = None
    packages: tuple[str, ...] = ()
    build: tuple[str, ...] = ()
    run: tuple[str, ...] = ()

    def fits(self, package: LockedRPackage) -> bool:
        """Whether `package` needs it."""
        said = package.system_requirements or ""
        by_words = self.requirement is not None and re.search(self.requirement, said, re.IGNORECASE) is not None
        return by_words or package.name in self.packages


class _File(msgspec.Struct, forbid_unknown_fields=True):
    needs: tuple[Need, ...]


@cache
def needs() -> tuple[Need, ...]:
    """The entries of r_system_libraries.toml."""
    return decode_toml(files("dbmirror.render").joinpath("r_system_libraries.toml").read_bytes(), _File).needs


def require_r(version: str, base: BaseImage, *, repository: bool) -> None:
    """Raises RenderError where nothing has R `version` for `base`.

    An official R image knows an apt repository of its own; `repository` says whether the configuration names one.
    """
    own = distribution_of(base).r
    if repository or own is None or own == version or "/rbase:" in base.reference:
        return
    raise RenderError(
        f"{base.reference} ({base.os_id} {base.os_version}) has R {own}, and the cluster runs R {version}.",
        remedy="Name an apt repository that has it with 'apt_repository' in the [r] section of dbmirror.toml (CRAN has "
        "one for each Ubuntu and Debian release), or choose another base.",
    )


def r_list(packages: Iterable[LockedRPackage], base: BaseImage) -> str:
    """apt/r.txt: R itself, the cluster's Debian packages of R packages at its versions, what R packages call."""
    locked = tuple(packages)
    lines = ["# R, and the packages that come with it. install-r.sh pins both to one version.", "r-base", "r-base-core"]
    pinned = sorted(
        f"{package.source.package}={package.source.version}"
        for package in locked
        if isinstance(package.source, RAptPackage)
    )
    lines += ["# R packages of the cluster that the distribution has at its versions.", *pinned] if pinned else []
    called = _needed(locked, base, run=True)
    lines += ["# What R packages call, or load without being linked against it.", *called] if called else []
    return "".join(f"{line}\n" for line in lines)


def r_build_list(packages: Iterable[LockedRPackage], base: BaseImage) -> str:
    """apt/r-build.txt: R's headers and compilers, what downloads the sources, and the headers that packages need."""
    lines = ["ca-certificates", "curl", "r-base-dev", *_needed(packages, base, run=False)]
    return "".join(f"{line}\n" for line in lines)


def _needed(packages: Iterable[LockedRPackage], base: BaseImage, *, run: bool) -> list[str]:
    built = [package for package in packages if not isinstance(package.source, RAptPackage)]
    found = {
        name
        for need in needs()
        if any(need.fits(package) for package in built)
        for name in (need.run if run else need.build)
    }
    return renamed(found, base)
