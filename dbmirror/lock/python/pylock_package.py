"""One locked package as a `[[packages]]` table of PEP 751, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct
from packaging.pylock import Package, PackageArchive, PackageSdist, PackageWheel
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion
from packaging.version import Version as PythonVersion

from dbmirror.inventory.model import Text, Version
from dbmirror.lock.model import (
    BuildRequirement,
    CapturedWheel,
    GitSource,
    GitUrl,
    ImageLayer,
    IndexFile,
    LockedPackage,
    UrlFile,
)
from dbmirror.lock.python.direct_urls import archive_name
from dbmirror.mirror_folder.names import WHEELS


class Repository(Struct, forbid_unknown_fields=True):
    """`[packages.tool.dbmirror.git]`: what the archive of a git source was made from."""

    url: GitUrl
    commit: Text


class PackageTool(Struct, forbid_unknown_fields=True):
    """`[packages.tool.dbmirror]`: what PEP 751 has no field for."""

    layer: ImageLayer
    version: Version | None = None
    """As the cluster spells it, where that is not PEP 440's normal form."""
    requires: tuple[Text, ...] = ()
    git: Repository | None = None
    build_requires: tuple[BuildRequirement, ...] = ()


def package_table(package: LockedPackage) -> Package:
    """`package` in PEP 751's terms; the inverse of `source_fields`."""
    source = package.source
    version = _standard_version(package.version)
    tool: dict[str, Any] = {"layer": package.layer.value}
    if str(version) != package.version:
        tool["version"] = package.version
    if package.requires:
        tool["requires"] = list(package.requires)
    if package.build_requires:
        tool["build_requires"] = [msgspec.to_builtins(requirement) for requirement in package.build_requires]
    wheels: list[PackageWheel] | None = None
    sdist = archive = None
    match source:
        case IndexFile() if source.is_wheel:
            hashes = {"sha256": source.sha256}
            wheels = [PackageWheel(name=source.filename, url=source.url, size=source.size, hashes=hashes)]
        case IndexFile():
            hashes = {"sha256": source.sha256}
            sdist = PackageSdist(name=source.filename, url=source.url, size=source.size, hashes=hashes)
        case CapturedWheel():
            name = source.path.removeprefix(f"{WHEELS}/")
            wheels = [PackageWheel(name=name, path=source.path, hashes={"sha256": source.sha256})]
        case UrlFile():
            archive = PackageArchive(url=source.url, hashes={"sha256": source.sha256}, subdirectory=source.subdirectory)
        case GitSource():
            archive = PackageArchive(
                path=source.path, hashes={"sha256": source.sha256}, subdirectory=source.subdirectory
            )
            tool["git"] = {"url": source.url, "commit": source.commit}
    return Package(
        name=canonicalize_name(package.name),
        version=version,
        index=source.index if isinstance(source, IndexFile) else None,
        wheels=wheels,
        sdist=sdist,
        archive=archive,
        tool={"dbmirror": tool},
    )


def source_fields(raw: Mapping[str, Any], tool: PackageTool) -> dict[str, Any]:
    """The fields of the source that a `[[packages]]` table means, unchecked; an installer sees the same."""
    file: Mapping[str, Any] = (raw.get("wheels") or [None])[0] or raw.get("sdist") or raw.get("archive") or {}
    fields: dict[str, Any] = {"sha256": (file.get("hashes") or {}).get("sha256")}
    if "archive" not in raw and "url" in file:
        fields |= {"source": "index", "filename": file.get("name"), "url": file["url"], "index": raw.get("index")}
        fields["size"] = file.get("size")
    elif "archive" not in raw:
        fields |= {"source": "captured", "path": file.get("path")}
    elif tool.git is not None:
        fields |= {"source": "git", "url": tool.git.url, "commit": tool.git.commit, "path": file.get("path")}
        fields["subdirectory"] = file.get("subdirectory")
    else:
        url = str(file.get("url"))
        fields |= {"source": "url", "filename": archive_name(url), "url": url, "subdirectory": file.get("subdirectory")}
    return fields


def _standard_version(version: str) -> PythonVersion | None:
    """None for a version that PEP 440 has no form for: only archives can have one."""
    try:
        return PythonVersion(version)
    except InvalidVersion:
        return None
