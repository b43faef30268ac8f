"""A lock's R half as files of a build context: what is built in which layer, from what, after what."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from dbmirror.lock.model import BaseImage, ImageLayer
from dbmirror.lock.r.binary import r_user_agent
from dbmirror.lock.r.model import CapturedRPackage, CranFile, LockedRPackage, RAptPackage, RGitSource, RLock
from dbmirror.render.dockerfile_templates import shipped_folder
from dbmirror.render.errors import RenderError
from dbmirror.render.r_system import r_build_list, r_list, require_r
from dbmirror.render.settings import RAptRepository

_SUBDIRECTORY = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_./+-]*", re.ASCII)
_ABSENT = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class RLayer:
    """The R packages of one layer of the image."""

    name: ImageLayer
    below: str
    """The stage that its own begins with: the packages of the layers below are there already."""
    packages: tuple[LockedRPackage, ...]

    @property
    def sources(self) -> bool:
        """Whether it needs files of the mirror's folder."""
        return any(_own_file(package) for package in self.packages)


@dataclass(frozen=True, slots=True, kw_only=True)
class RPart:
    """What the templates are told about R."""

    version: str
    repository: bool
    """An apt repository of the configuration has R."""
    layers: tuple[RLayer, ...]


def r_part(r_lock: RLock, *, repository: RAptRepository | None) -> RPart:
    """The R half of a build as the templates see it."""
    layers: list[RLayer] = []
    below = "r-compilers"
    needed_early = _needed_by_runtime(r_lock.packages)
    for name, late in ((ImageLayer.RUNTIME, False), (ImageLayer.CLUSTER, True)):
        packages = tuple(
            package
            for package in sorted(r_lock.packages, key=lambda package: package.name)
            if not isinstance(package.source, RAptPackage)
            and (package.from_cluster_library and package.name not in needed_early) is late
        )
        if packages:
            layers.append(RLayer(name=name, below=below, packages=packages))
            below = f"build-r-{name}"
    return RPart(version=r_lock.r_version, repository=repository is not None, layers=tuple(layers))


def r_files(
    part: RPart, r_lock: RLock, base: BaseImage, *, architecture: str, repository: RAptRepository | None
) -> dict[str, str]:
    """The files that the templates mount for R: path in the build context to text.

    Raises RenderError where nothing has the cluster's R for `base`, or a package cannot be named to the build.
    """
    require_r(r_lock.r_version, base, repository=repository is not None)
    folder = shipped_folder("images") / "r" / "scripts"
    files = {f"r-scripts/{path.name}": path.read_text("utf-8") for path in sorted(folder.iterdir())}
    files["apt/r.txt"] = r_list(r_lock.packages, base)
    if part.layers:
        files["apt/r-build.txt"] = r_build_list(r_lock.packages, base)
    if repository is not None:
        files["r-repository/sources"] = repository.sources()
        if repository.key:
            files["r-repository/key.asc"] = repository.key
    for layer in part.layers:
        files[f"r/{layer.name}/packages.tsv"] = "".join(f"{_row(package)}\n" for package in layer.packages)
        if any(isinstance(p.source, CranFile) and p.source.binary and not p.source.path for p in layer.packages):
            files[f"r/{layer.name}/user-agent"] = r_user_agent(r_lock.r_version, architecture) + "\n"
    return files


def linked_r_files(r_lock: RLock) -> Mapping[str, str]:
    """Captured packages and vendored sources: their place in the build context to that in the mirror's folder."""
    return {
        f"r-sources/{layer.name}/{PurePosixPath(path).name}": path
        for layer in r_part(r_lock, repository=None).layers
        for path in map(_own_file, layer.packages)
        if path
    }


def _own_file(package: LockedRPackage) -> str | None:
    source = package.source
    return source.path if isinstance(source, CranFile | RGitSource | CapturedRPackage) else None


def _needed_by_runtime(packages: Iterable[LockedRPackage]) -> frozenset[str]:
    """What packages of the runtime's layer need, directly or not: a cluster library may have taken its place."""
    known = {package.name: package for package in packages}
    waiting = [package for package in known.values() if not package.from_cluster_library]
    found: set[str] = set()
    while waiting:
        for name in waiting.pop().depends:
            if name in known and name not in found:
                found.add(name)
                waiting.append(known[name])
    return frozenset(found)


def _row(package: LockedRPackage) -> str:
    """The package's line of packages.tsv: see images/r/scripts/build-r-packages.sh."""
    source = package.source
    remote = commit = subdirectory = _ABSENT
    if isinstance(source, RGitSource):
        kind, digest = "git", f"sha256:{source.sha256}"
        remote, commit = source.url, source.commit
        subdirectory = _subdirectory(package, source.subdirectory)
    elif isinstance(source, CapturedRPackage):
        kind, digest = "file", f"sha256:{source.sha256}"
    elif isinstance(source, CranFile):
        kind = "file" if source.path else "binary" if source.binary else "source"
        digest = f"sha256:{source.sha256}" if source.sha256 else f"md5:{source.md5}" if source.md5 else _ABSENT
    else:
        raise RenderError(f"{package.name} {package.version} is apt's to install.", remedy="Make the lock again.")
    path = _own_file(package)
    location = PurePosixPath(path).name if path else _url(package)
    needed = ",".join(sorted(package.depends)) or _ABSENT
    fields = (package.name, package.version, kind, digest, location, subdirectory, remote, commit, needed)
    return "\t".join(fields)


def _url(package: LockedRPackage) -> str:
    url = package.source.url if isinstance(package.source, CranFile) else ""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or "@" in parts.netloc:
        raise RenderError(
            f"The address of {package.name} {package.version} is not one that a build can use: "
            "it points into a file system or holds credentials.",
            remedy="Make the lock again; credentials belong into netrc.",
        )
    return url


def _subdirectory(package: LockedRPackage, subdirectory: str | None) -> str:
    if subdirectory is None:
        return _ABSENT
    if not _SUBDIRECTORY.fullmatch(subdirectory) or ".." in PurePosixPath(subdirectory).parts:
        raise RenderError(
            f"The subdirectory {subdirectory[:80]!r} of {package.name} cannot be named to the build.",
            remedy="Leave the package out with a blacklist entry, or take the snapshot again.",
        )
    return subdirectory
