"""The flavours of an image: for Python, for R, for both; which one a cluster asks for, and what that leaves out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from dbmirror.filters.model import Rule, Selection, keep_nothing
from dbmirror.inventory.layers import Layer
from dbmirror.inventory.model import Distribution, RPackage
from dbmirror.runtimes.model import Runtime
from dbmirror.snapshot import Snapshot

_SEEDS = frozenset({"distlib", "filelock", "pip", "pkg-resources", "platformdirs", "setuptools", "virtualenv", "wheel"})
"""What an environment has that nobody has installed anything into."""
_USERS_LAYERS = frozenset({Layer.CLUSTER, Layer.NOTEBOOK, Layer.RUNTIME})


class Flavour(StrEnum):
    """What the notebooks of an image are written in."""

    PYTHON = "python"
    R = "r"
    PYTHON_R = "python-r"

    @property
    def has_python(self) -> bool:
        """Whether the cluster's Python packages are in the image."""
        return self is not Flavour.R

    @property
    def has_r(self) -> bool:
        """Whether R and the cluster's R packages are in the image."""
        return self is not Flavour.PYTHON


@dataclass(frozen=True, slots=True, kw_only=True)
class FlavourChoice:
    """A flavour, and why it is this one."""

    flavour: Flavour
    reason: str
    """One sentence."""


def choose_flavour(snapshot: Snapshot) -> FlavourChoice:
    """The flavour that the cluster of `snapshot` asks for, by what is installed on it."""
    inventory = snapshot.inventory
    if inventory.r_version is None:
        known = "r_version" not in inventory.unknown
        reason = "The cluster has no R." if known else "Whether the cluster has R is not known."
        return FlavourChoice(flavour=Flavour.PYTHON, reason=reason)
    added = _beyond_r_itself(inventory.r_packages)
    cran = [library for library in snapshot.cluster.libraries if library.kind == "cran"]
    if not added and not cran:
        return FlavourChoice(
            flavour=Flavour.PYTHON,
            reason=f"The cluster has R {inventory.r_version} and no R package beyond those that come with it.",
        )
    counted = f"R {inventory.r_version} with {len(added)} packages beyond those that come with it"
    if not any(d.layer in _USERS_LAYERS and d.name not in _SEEDS for d in inventory.distributions):
        return FlavourChoice(
            flavour=Flavour.R, reason=f"The cluster has {counted}, and nothing installed in its Python environments."
        )
    return FlavourChoice(flavour=Flavour.PYTHON_R, reason=f"The cluster has {counted}, and Python packages.")


def official_base(runtime: Runtime, flavour: Flavour) -> str:
    """The reference of Databricks' own image that `flavour` is built on.

    Both notebooks need the Python image with R added: the environment of the R image is empty, and of several
    runtimes its Python is another one than the runtime's (databricks/containers, ubuntu/R/Dockerfile).
    """
    if flavour is Flavour.R:
        return runtime.official_r_image
    return runtime.official_image


def without_python(selection: Selection[Distribution]) -> Selection[Distribution]:
    """`selection` with every Python package dropped that it kept: what an image of flavour `r` has of it."""
    reason = "The image is for R notebooks alone; the flavour python-r has the Python packages, too."
    return keep_nothing(selection, Rule(name="flavour", pattern=str(Flavour.R), reason=reason))


def without_r(selection: Selection[RPackage]) -> Selection[RPackage]:
    """`selection` with every R package dropped that it kept: what an image of flavour `python` has of it."""
    reason = "The image is for Python notebooks alone; the flavour python-r has the R packages, too."
    return keep_nothing(selection, Rule(name="flavour", pattern=str(Flavour.PYTHON), reason=reason))


def _beyond_r_itself(packages: Iterable[RPackage]) -> list[RPackage]:
    return [p for p in packages if p.priority not in {"base", "recommended"} and p.layer is not Layer.PLATFORM]
