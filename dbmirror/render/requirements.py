"""Locked packages as lines of requirements files, each checked for the place it goes to."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import quote, urldefrag, urlsplit

from packaging.version import InvalidVersion, Version

from dbmirror.lock.model import AptPackage, CapturedWheel, GitSource, LockedPackage, UrlFile
from dbmirror.render.errors import RenderError

MOUNTED = "/run/dbmirror"
"""Where the build mounts the context's folders."""
_URL_SAFE = ":/?[]@!&()*+,;=%~-._"
"""Characters of a URL that no installer reads as something else; `$`, quotes, `#` and `\\` are written as `%XX`."""

_SUBDIRECTORY = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_./+-]*", re.ASCII)


def wheel_line(package: LockedPackage) -> str:
    """The requirement that installs `package` without a build: pinned, and by the hash of its one file.

    A captured wheel is found in the layer's own folder, by name, version and hash.
    """
    source = package.source
    if isinstance(source, AptPackage | GitSource) or not source.is_wheel:
        raise RenderError(f"{package.name} {package.version} is no wheel.", remedy="Make the lock again.")
    if isinstance(source, UrlFile):
        # The comment is for the script that names a package whose installation fails.
        return f"{package.name} @ {_url(package, source.url)} --hash=sha256:{source.sha256} # {_named(package)}"
    return f"{package.name}=={_version(package)} --hash=sha256:{source.sha256}"


def build_line(package: LockedPackage) -> str:
    """The requirement that builds `package` from source, by hash, with its name and version behind it."""
    source = package.source
    if isinstance(source, GitSource):
        target = f"@ file://{MOUNTED}/sources/{PurePosixPath(source.path).name}"
        target += _subdirectory(package, source.subdirectory)
    elif isinstance(source, UrlFile):
        target = f"@ {_url(package, source.url)}{_subdirectory(package, source.subdirectory)}"
    elif isinstance(source, AptPackage | CapturedWheel) or source.is_wheel:
        raise RenderError(f"{package.name} {package.version} is not built from source.", remedy="Make the lock again.")
    else:
        return f"{package.name}=={_version(package)} --hash=sha256:{source.sha256} # {_named(package)}"
    return f"{package.name} {target} --hash=sha256:{source.sha256} # {_named(package)}"


def apt_line(package: AptPackage) -> str:
    """The argument of apt-get install for exactly this version."""
    return f"{package.package}={package.version}"


def context_path(package: LockedPackage, source: CapturedWheel | GitSource) -> str:
    """Where the build context has the file of `source`: `wheels/LAYER/FILE`, `sources/LAYER/FILE`.

    One folder a layer, because a folder that is mounted into a step is a part of that step's cache key.
    """
    path = PurePosixPath(source.path)
    return f"{path.parts[0]}/{package.layer}/{path.name}"


def _named(package: LockedPackage) -> str:
    return f"{package.name} {_version(package)}"


def _version(package: LockedPackage) -> str:
    try:
        Version(package.version)
    except InvalidVersion:
        raise RenderError(
            f"{package.name} has the version {package.version!r}, which no installer takes (PEP 440).",
            remedy="Leave it out with a blacklist entry, or give it another version on the cluster.",
        ) from None
    return package.version


def _url(package: LockedPackage, url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or "@" in parts.netloc:
        raise RenderError(
            f"The URL of {package.name} {package.version} is not one that a build can use: "
            "it points into a file system or holds credentials.",
            remedy="Make the lock again; credentials belong into netrc.",
        )
    return quote(urldefrag(url).url, safe=_URL_SAFE)


def _subdirectory(package: LockedPackage, subdirectory: str | None) -> str:
    if subdirectory is None:
        return ""
    # pip takes the fragment as it stands: what would need an escape cannot be said.
    if not _SUBDIRECTORY.fullmatch(subdirectory) or ".." in PurePosixPath(subdirectory).parts:
        raise RenderError(
            f"The subdirectory {subdirectory[:80]!r} of {package.name} cannot be named to an installer.",
            remedy="Leave the package out with a blacklist entry, or take the snapshot again.",
        )
    return f"#subdirectory={subdirectory}"
