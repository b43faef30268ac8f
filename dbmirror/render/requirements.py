"""Locked packages as lines of requirements files, each checked for the place it goes to."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import quote, urldefrag, urlsplit

from packaging.version import InvalidVersion, Version

from dbmirror.lock.model import AptPackage, CapturedWheel, GitSource, IndexFile, LockedPackage, UrlFile
from dbmirror.render.errors import RenderError

_URL_SAFE = ":/?[]@!&()*+,;=%~-._"
"""Characters of a URL that no installer reads as something else; `$`, quotes, `#` and `\\` are written as `%XX`."""

_SUBDIRECTORY = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_./+-]*", re.ASCII)


def wheel_line(package: LockedPackage) -> str:
    """The requirement that installs `package` without a build: pinned, and by the hash of its one file.

    The file lies in a folder of the build, wherever it came from, and is found by name, version and hash.
    """
    source = package.source
    if isinstance(source, AptPackage | GitSource) or not source.is_wheel:
        raise RenderError(f"{package.name} {package.version} is no wheel.", remedy="Make the lock again.")
    return f"{package.name}=={_version(package)} --hash=sha256:{source.sha256}"


def build_line(package: LockedPackage) -> str:
    """The line of scripts/build-wheels.sh for `package`: name, version, archive, its SHA-256, subdirectory or `-`."""
    source = package.source
    if isinstance(source, AptPackage | CapturedWheel) or source.is_wheel:
        raise RenderError(f"{package.name} {package.version} is not built from source.", remedy="Make the lock again.")
    subdirectory = source.subdirectory if isinstance(source, GitSource | UrlFile) else None
    folder = "sources" if isinstance(source, GitSource) else "files"
    archive = f"{folder}/{archive_name(package)}"
    return "\t".join(
        (package.name, _version(package), archive, source.sha256, _subdirectory(package, subdirectory) or "-")
    )


def build_requirement_lines(package: LockedPackage) -> tuple[str, ...]:
    """The requirements that the build of `package` is given, each pinned and by hash."""
    return tuple(f"{pin.name}=={pin.version} --hash=sha256:{pin.sha256}" for pin in package.build_requires)


def archive_name(package: LockedPackage) -> str:
    """What the source of `package` is called where it is built: archives of two addresses may have one name."""
    source = package.source
    if isinstance(source, GitSource):
        return PurePosixPath(source.path).name
    assert isinstance(source, IndexFile | UrlFile)  # noqa: S101 - nothing else is built
    if isinstance(source, IndexFile):
        return source.filename
    return f"{package.name}-{source.sha256[:12]}{'.zip' if source.filename.endswith('.zip') else '.tar.gz'}"


def apt_line(package: AptPackage) -> str:
    """The argument of apt-get install for exactly this version."""
    return f"{package.package}={package.version}"


def context_path(package: LockedPackage, source: CapturedWheel | GitSource) -> str:
    """Where the build context has the file of `source`: `wheels/LAYER/FILE`, `sources/LAYER/FILE`.

    One folder a layer, because a folder that is mounted into a step is a part of that step's cache key.
    """
    path = PurePosixPath(source.path)
    return f"{path.parts[0]}/{package.layer}/{path.name}"


def _version(package: LockedPackage) -> str:
    try:
        Version(package.version)
    except InvalidVersion:
        raise RenderError(
            f"{package.name} has the version {package.version!r}, which no installer takes (PEP 440).",
            remedy="Leave it out with a blacklist entry, or give it another version on the cluster.",
        ) from None
    return package.version


def safe_url(name: str, url: str) -> str:
    """`url`, of the file of `name`, for a list of files. Raises RenderError where no build can use it."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or "@" in parts.netloc:
        raise RenderError(
            f"The URL of {name} is not one that a build can use: it points into a file system or holds credentials.",
            remedy="Make the lock again; credentials belong into netrc.",
        )
    return quote(urldefrag(url).url, safe=_URL_SAFE)


def _subdirectory(package: LockedPackage, subdirectory: str | None) -> str:
    if subdirectory is None:
        return ""
    if not _SUBDIRECTORY.fullmatch(subdirectory) or ".." in PurePosixPath(subdirectory).parts:
        raise RenderError(
            f"The subdirectory {subdirectory[:80]!r} of {package.name} cannot be named to an installer.",
            remedy="Leave the package out with a blacklist entry, or take the snapshot again.",
        )
    return subdirectory
