"""The machine that files are chosen for, and the wheels that it can install, best first."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from packaging.tags import Tag, compatible_tags, cpython_tags

from dbmirror.inventory.model import Inventory
from dbmirror.lock.errors import LockError
from dbmirror.lock.model import Target

_LEGACY = {
    "x86_64": {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"},
    "i686": {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"},
}
"""The older names of manylinux_2_17, 2_12 and 2_5 (PEP 600); other architectures start at 2_17."""


def target_of(inventory: Inventory, base: Inventory | None = None) -> Target:
    """The cluster's Python and architecture, with the older C library of the cluster and the `base` image.

    A wheel must load in the image: one for the cluster's glibc would not on a base with an older one.
    Raises LockError where the cluster has no CPython on glibc.
    """
    versions = [found.glibc for found in (inventory, base) if found is not None and found.glibc is not None]
    if inventory.glibc is None or inventory.python.implementation != "CPython":
        raise LockError(
            "The cluster's Python is not a CPython on glibc, so no package index has wheels for it.",
            remedy="dbmirror mirrors clusters that run a Databricks Runtime on Ubuntu.",
        )
    glibc = min(versions, key=lambda version: tuple(int(part) for part in version.split(".")))
    return Target(python=inventory.python.version, architecture=inventory.architecture, glibc=glibc)


@lru_cache(maxsize=8)
def wheel_tags(target: Target) -> tuple[Tag, ...]:
    """Every tag of a wheel that CPython on `target` installs, best first; nothing of this machine goes into it."""
    python = tuple(int(part) for part in target.python.split(".")[:2])
    platforms = tuple(_platforms(target))
    abi = f"cp{python[0]}{python[1]}"
    return (
        *cpython_tags(python_version=python, abis=[abi], platforms=platforms),
        *compatible_tags(python_version=python, interpreter=abi, platforms=platforms),
    )


def _platforms(target: Target) -> Iterator[str]:
    newest = int(target.glibc.split(".")[1])
    legacy = _LEGACY.get(target.architecture, {17: "manylinux2014"})
    for minor in range(newest, min(legacy) - 1, -1):
        yield f"manylinux_2_{minor}_{target.architecture}"
        if minor in legacy:
            yield f"{legacy[minor]}_{target.architecture}"
    yield f"linux_{target.architecture}"
