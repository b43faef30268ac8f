"""Writes its locked version behind each Debian package in the lists of a build context."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from dbmirror.lock.model import AptPackage

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_R_ITSELF = re.compile(r"r-(base|doc|mathlib|recommended).*")
"""install-r.sh pins these to the cluster's R, which may come from a repository that the base does not know."""


def unpinned_packages(files: Mapping[str, bytes]) -> tuple[str, ...]:
    """The packages that the lists of a build context (`apt/*.txt`) name without a version, sorted."""
    lines = (line for name, text in files.items() if _is_list(name) for line in text.decode().splitlines())
    return tuple(sorted({line for line in lines if _can_be_pinned(line)}))


def with_versions(files: Mapping[str, str], locked: Iterable[AptPackage]) -> dict[str, str]:
    """`files` with the version of each locked package behind its name, wherever a list names it without one."""
    versions = {package.package: package.version for package in locked}

    def line(text: str) -> str:
        return f"{text}={versions[text]}" if _can_be_pinned(text) and text in versions else text

    return {
        name: "".join(f"{line(each)}\n" for each in text.splitlines()) if _is_list(name) else text
        for name, text in files.items()
    }


def _is_list(name: str) -> bool:
    return name.startswith("apt/") and name.endswith(".txt")


def _can_be_pinned(line: str) -> bool:
    return _NAME.fullmatch(line) is not None and not _R_ITSELF.fullmatch(line)
