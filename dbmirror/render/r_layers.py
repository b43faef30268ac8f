"""A lock's R half as files of a build context: what is built in which layer, from what, after what."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from dbmirror.lock.model import BaseImage, ImageLayer
from dbmirror.lock.r.binary import r_user_agent
from dbmirror.lock.r.model import CapturedRPackage, CranFile, LockedRPackage, RAptPackage, RGitSource, RLock
from dbmirror.render.dockerfile_templates import shipped_folder
from dbmirror.render.errors import RenderError
from dbmirror.render.file_groups import BuildFile
from dbmirror.render.image_settings import RAptRepository
from dbmirror.render.r_debian_packages import r_build_list, r_list, require_r
from dbmirror.render.requirements import safe_url

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

    @property
    def fetched(self) -> bool:
        """Whether it needs files of a repository."""
        return not all(_own_file(package) for package in self.packages)


@dataclass(frozen=True, slots=True, kw_only=True)
class RPart:
    """The values of the templates for R."""

    version: str
    layers: tuple[RLayer, ...]


def r_part(r_lock: RLock) -> RPart:
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
    return RPart(version=r_lock.r_version, layers=tuple(layers))


def r_files(part: RPart, r_lock: RLock, base: BaseImage, *, repository: RAptRepository | None) -> dict[str, str]:
    """The files that the templates mount for R: path in the build context to text.

    Raises RenderError where nothing has the cluster's R for `base`, or a package cannot be named to the build.
    """
    require_r(r_lock.r_version, base, repository=repository is not None)
    folder = shipped_folder("images") / "r" / "scripts"
    files = {f"r-scripts/{path.name}": path.read_text("utf-8") for path in sorted(folder.iterdir())}
    files["apt/r.txt"] = r_list(r_lock.packages, base)
    if part.layers:
        files["apt/r-build.txt"] = r_build_list(r_lock.packages, base)
    for layer in part.layers:
        files[f"r/{layer.name}/packages.tsv"] = "".join(f"{_row(package)}\n" for package in layer.packages)
    return files


def r_preferences(version: str) -> str:
    """What has apt install R of `version` and no other, in the build and by whatever an init script installs later.

    r-base and r-base-dev ask for r-base-core of their own version or a newer one: a pin on them alone lets R itself
    float. So all of R's own packages are pinned, above 1000 so that a newer R of the base is taken back.
    """
    packages = "r-base r-base-core r-base-dev r-base-html r-doc-html r-doc-info r-doc-pdf r-mathlib r-recommended"
    pattern = version.replace(".", "\\.")
    return f"Package: {packages}\nPin: version /^{pattern}[-.+~]/\nPin-Priority: 1001\n"


def r_file_groups(r_lock: RLock, *, architecture: str) -> Mapping[str, tuple[BuildFile, ...]]:
    """What the build fetches from R repositories: `r-LAYER` to its files, see `dbmirror.render.file_groups`.

    Raises RenderError where an address is not one that a build can use.
    """
    as_r = r_user_agent(r_lock.r_version, architecture)
    return {
        f"r-{layer.name}": tuple(_fetched_file(package, as_r) for package in layer.packages if not _own_file(package))
        for layer in r_part(r_lock).layers
        if layer.fetched
    }


def linked_r_files(r_lock: RLock) -> Mapping[str, str]:
    """Captured packages and vendored sources: their place in the build context to that in the mirror's folder."""
    return {
        f"r-sources/{layer.name}/{PurePosixPath(path).name}": path
        for layer in r_part(r_lock).layers
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
    if isinstance(source, RAptPackage):
        raise RenderError(f"{package.name} {package.version} is apt's to install.", remedy="Make the lock again.")
    kind = "file"
    if isinstance(source, RGitSource):
        kind, remote, commit = "git", source.url, source.commit
        subdirectory = _subdirectory(package, source.subdirectory)
    path = _own_file(package)
    file = f"r-sources/{PurePosixPath(path).name}" if path else f"files/{_fetched_file(package).name}"
    needed = ",".join(sorted(package.depends)) or _ABSENT
    fields = (package.name, package.version, kind, source.sha256, file, subdirectory, remote, commit, needed)
    return "\t".join(fields)


def _fetched_file(package: LockedRPackage, user_agent: str | None = None) -> BuildFile:
    """The file of a repository that the build of `package` reads."""
    source = package.source
    assert isinstance(source, CranFile)  # noqa: S101 - all others lie in the mirror's folder
    subject = f"{package.name} {package.version}"
    return BuildFile(
        name=source.filename,
        url=safe_url(subject, source.url),
        sha256=source.sha256,
        size=source.size,
        user_agent=user_agent if source.binary else None,
        elsewhere=safe_url(subject, archive) if (archive := _place_in_archive(package.name, source)) else None,
    )


def _place_in_archive(name: str, source: CranFile) -> str | None:
    """Where CRAN moves the file once another version is current; None for one that is there, and for binaries."""
    repository, found, _ = source.url.rpartition("/src/contrib/")
    if source.archived or source.binary or not found:
        return None
    return f"{repository}/src/contrib/Archive/{name}/{source.filename}"


def _subdirectory(package: LockedRPackage, subdirectory: str | None) -> str:
    if subdirectory is None:
        return _ABSENT
    if not _SUBDIRECTORY.fullmatch(subdirectory) or ".." in PurePosixPath(subdirectory).parts:
        raise RenderError(
            f"The subdirectory {subdirectory[:80]!r} of {package.name} cannot be named to the build.",
            remedy="Leave the package out with a blacklist entry, or take the snapshot again.",
        )
    return subdirectory
