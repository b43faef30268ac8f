"""Versions of R packages: numbers with `.` or `-` between them, which R takes for the same."""

from __future__ import annotations

import re

_VERSION = re.compile(r"\d+([.-]\d+)*", re.ASCII)


def version_key(version: str) -> tuple[int, ...]:
    """`version` as numbers, to compare as R does. Raises ValueError where it is none."""
    if not _VERSION.fullmatch(version):
        raise ValueError(f"{version!r} is no version of an R package")
    return tuple(int(part) for part in re.split(r"[.-]", version))


def same_version(one: str, other: str) -> bool:
    """Whether R takes the two for the same version: `1.0-3` is `1.0.3`."""
    try:
        return version_key(one) == version_key(other)
    except ValueError:
        return one == other


def minor(version: str) -> tuple[int, ...]:
    """The first two numbers of `version`: packages built for one R fit all those that share them."""
    return version_key(version)[:2]
