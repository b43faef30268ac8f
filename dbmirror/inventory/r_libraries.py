"""The R libraries of a host in the order of .libPaths(), and what `library()` gets from them."""

from __future__ import annotations

from collections.abc import Iterable

from dbmirror.inventory.compare import R_LIBRARIES_NEAREST_FIRST
from dbmirror.inventory.model import RPackage

CLUSTER_R_LIBRARY = "/local_disk0/.ephemeral_nfs/cluster_libraries/r"
"""Where the platform installs a cluster's R libraries."""
_NOTEBOOK = "/local_disk0/.ephemeral_nfs/envs/rEnv-"


def nearest_first(library: str) -> tuple[int, str]:
    """A sort key: libraries of notebooks, then R_LIBRARIES_NEAREST_FIRST, then any other by its path."""
    if library.startswith(_NOTEBOOK):
        return -1, library
    if library in R_LIBRARIES_NEAREST_FIRST:
        return R_LIBRARIES_NEAREST_FIRST.index(library), library
    return len(R_LIBRARIES_NEAREST_FIRST), library


def effective_r(packages: Iterable[RPackage]) -> dict[str, RPackage]:
    """The package that `library(NAME)` on the host loads, by name: of each the nearest library's."""
    found: dict[str, RPackage] = {}
    for package in sorted(packages, key=lambda each: nearest_first(each.library)):
        found.setdefault(package.name, package)
    return found
