"""The layers of installed packages on a host, and the copy of each package that an import or `library()` loads."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Protocol, TypeVar


class Layer(StrEnum):
    """Where on the driver a package lives, nearest first: on Python's sys.path, in R's .libPaths() (R_LIBS, site, R's).

    Each language has some of them, in this one order. Python's was read off a DBR 11.
    """

    NOTEBOOK = "notebook"
    """`/local_disk0/.ephemeral_nfs/envs/`: `pythonEnv-*` by `%pip`, `rEnv-*` by R, one folder a notebook."""
    PLATFORM = "platform"
    """R: `/databricks/spark/R/lib`, SparkR and Rserve, put there by the platform when the cluster starts."""
    CLUSTER = "cluster"
    """`/local_disk0/.ephemeral_nfs/cluster_libraries/`, `python` and `r`: the cluster's libraries."""
    RUNTIME = "runtime"
    """`/databricks/python3`, `/usr/local/lib/R/site-library`: the runtime's own, and what init scripts added."""
    LOCAL = "local"
    """Python: `/usr/local/lib/python3.X/dist-packages` (or site-packages), pip outside the environment."""
    APT = "apt"
    """`/usr/lib/python3/dist-packages`, `/usr/lib/R/site-library`: owned by Debian packages."""
    EDGE = "edge"
    """Python: `/databricks/.python_edge_libs`, put there by the platform when the cluster starts."""
    ITSELF = "r-itself"
    """R: `/usr/lib/R/library`, R's own packages and the recommended ones."""
    OTHER = "other"
    """R: any other library."""


_R_LIBRARIES = {
    "/databricks/spark/R/lib": Layer.PLATFORM,
    "/local_disk0/.ephemeral_nfs/cluster_libraries/r": Layer.CLUSTER,
    "/usr/local/lib/R/site-library": Layer.RUNTIME,
    "/usr/lib/R/site-library": Layer.APT,
    "/usr/lib/R/library": Layer.ITSELF,
}
_R_NOTEBOOK = "/local_disk0/.ephemeral_nfs/envs/rEnv-"
_NEAREST_FIRST = tuple(Layer)


class Installed(Protocol):
    """An installed package of either language."""

    @property
    def name(self) -> str:
        """Its name, as its language compares names."""

    @property
    def version(self) -> str:
        """Its version, as its metadata spells it."""

    @property
    def layer(self) -> Layer:
        """The layer that it lives in."""

    @property
    def location(self) -> str:
        """The folder that it lives in."""


P = TypeVar("P", bound=Installed)


def layer_of_r_library(library: str) -> Layer:
    """The layer of the R library at the path `library`."""
    return Layer.NOTEBOOK if library.startswith(_R_NOTEBOOK) else _R_LIBRARIES.get(library, Layer.OTHER)


def nearness(package: Installed) -> int:
    """A sort key: the packages of the nearest layer come first."""
    return _NEAREST_FIRST.index(package.layer)


def notebook_environments(packages: Iterable[Installed]) -> tuple[str, ...]:
    """The folders of the notebook-scoped environments among `packages`, sorted."""
    return tuple(sorted({package.location for package in packages if package.layer is Layer.NOTEBOOK}))


def effective(packages: Iterable[P], notebook_environment: str | None = None) -> dict[str, P]:
    """The package that an import or `library()` loads, by name: of each name the copy in the nearest layer.

    Within one layer the first of `packages` counts. Every notebook has an environment of its own: of several only
    `notebook_environment` counts (a folder as `notebook_environments` gives it), or none; a single one counts always.
    """
    found = tuple(packages)
    environments = notebook_environments(found)
    if notebook_environment not in environments:
        notebook_environment = environments[0] if len(environments) == 1 else None
    nearest: dict[str, P] = {}
    for package in found:
        if package.layer is Layer.NOTEBOOK and package.location != notebook_environment:
            continue
        known = nearest.get(package.name)
        if known is None or nearness(package) < nearness(known):
            nearest[package.name] = package
    return nearest
