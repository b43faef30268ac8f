"""The files that a build works with, in groups: what a group's folder holds, and where each file comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dbmirror.filters.flavour import Flavour
from dbmirror.lock.model import BaseKind, ImageLayer, IndexFile, Lock, LockedPackage, UrlFile
from dbmirror.lock.python.build_needs import BuildNeeds
from dbmirror.render.debian_packages import native_packages
from dbmirror.render.dockerfile_templates import shipped_folder
from dbmirror.render.errors import RenderError
from dbmirror.render.requirements import archive_name, safe_url
from dbmirror.runtimes.model import Runtime

INSTALLER = "installer"
ENVIRONMENTS = "environments"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFile:
    """One file of a group."""

    name: str
    """In the group's folder."""
    url: str
    sha256: str
    size: int | None
    user_agent: str | None = None
    """What to call oneself, where the server gives another file under that address to others."""
    elsewhere: str | None = None
    """Where the server keeps it later, when it is no longer at `url`."""
    index: str | None = None
    """The package index that lists it, if one does."""


def file_groups(lock: Lock, runtime: Runtime, *, flavour: Flavour) -> Mapping[str, tuple[BuildFile, ...]]:
    """The files of each group by its name, sorted; only groups that have any.

    A group has what one step of the Dockerfile reads: `installer`, `environments`, a layer's name for its wheels, and
    `build-LAYER` for its sources and what their builds require. The stage `files-GROUP` has them in its folder /files:
    the caller hands a folder of that form as the build context of that name, or the stage fetches them itself.
    Raises RenderError where the lock lacks a file.
    """
    support = {file.sha256: file for file in lock.support}
    groups: dict[str, list[BuildFile]] = {}
    for group, lines in pinned_requirements(lock, runtime, flavour=flavour).items():
        groups[group] = [_support_file(support, sha256) for sha256 in _hashes(lines)]
    for layer in ImageLayer:
        packages = [package for package in lock.packages if package.layer is layer]
        groups[layer] = [_file(package) for package in packages if _is_fetched(package) and package.source.is_wheel]
        built = [package for package in packages if not package.source.is_wheel]
        groups[f"build-{layer}"] = [_file(package) for package in built if _is_fetched(package)]
        required = {pin.sha256 for package in built for pin in package.build_requires}
        groups[f"build-{layer}"] += [_support_file(support, sha256) for sha256 in required]
    return {
        group: tuple(sorted(set(files), key=lambda file: (file.name, file.sha256)))
        for group, files in groups.items()
        if files
    }


def build_file(file: IndexFile) -> BuildFile:
    """A file of an index, under the name that it has there. Raises RenderError where its address is hostile."""
    url = safe_url(file.filename, file.url)
    return BuildFile(name=file.filename, url=url, sha256=file.sha256, size=file.size, index=file.index)


def list_of(files: Iterable[BuildFile]) -> str:
    """What scripts/fetch.py reads: a line for each file, with tabs between its fields.

    Name, SHA-256 and address; user agent and the address for later, as far as there are any.
    """
    rows = ((file.name, file.sha256, file.url, file.user_agent or "", file.elsewhere or "") for file in files)
    return "".join("\t".join(row).rstrip("\t") + "\n" for row in rows)


def build_needs(lock: Lock, runtime: Runtime, *, flavour: Flavour) -> BuildNeeds:
    """What has to be locked beside the packages of `lock`, so that its image can be built without an index."""
    default = _lines(shipped_folder("images") / "python" / "build-constraints.txt")
    native = native_packages()
    pinned = pinned_requirements(lock, runtime, flavour=flavour)
    return BuildNeeds(
        pinned=tuple(line for lines in pinned.values() for line in lines),
        constraints={"": default}
        | {name: (*default, *found.constraints) for name, found in native.items() if found.constraints},
        extra={name: found.imports for name, found in native.items() if found.imports},
        built={name: found.built for name, found in native.items() if found.built},
    )


def pinned_requirements(lock: Lock, runtime: Runtime, *, flavour: Flavour) -> Mapping[str, tuple[str, ...]]:
    """The requirement lines of the groups `installer` and `environments`, where the image of `lock` needs them."""
    official = lock.base.kind is BaseKind.OFFICIAL
    found: dict[str, tuple[str, ...]] = {}
    if flavour.has_python or not official:
        found[INSTALLER] = _lines(shipped_folder("images") / "python" / "build-tools.txt")
    if not official:
        found[ENVIRONMENTS] = (*runtime.tool_requirements, *(runtime.lsp_requirements if flavour.has_python else ()))
    return found


def _is_fetched(package: LockedPackage) -> bool:
    return isinstance(package.source, IndexFile | UrlFile)


def _file(package: LockedPackage) -> BuildFile:
    source = package.source
    assert isinstance(source, IndexFile | UrlFile)  # noqa: S101 - `_is_fetched`
    size = source.size if isinstance(source, IndexFile) else None
    name = source.filename if source.is_wheel else archive_name(package)
    url = safe_url(f"{package.name} {package.version}", source.url)
    index = source.index if isinstance(source, IndexFile) else None
    return BuildFile(name=name, url=url, sha256=source.sha256, size=size, index=index)


def _support_file(support: Mapping[str, IndexFile], sha256: str) -> BuildFile:
    file = support.get(sha256)
    if file is None:
        raise RenderError(
            f"The lock does not say where a file comes from that the build needs (SHA-256 {sha256[:12]}…).",
            remedy="Make the lock again with this version of dbmirror.",
        )
    return build_file(file)


def _hashes(lines: Iterable[str]) -> Iterable[str]:
    return (line.rpartition("--hash=sha256:")[2].split()[0] for line in lines if "--hash=sha256:" in line)


def _lines(path: Path) -> tuple[str, ...]:
    return tuple(line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#"))
