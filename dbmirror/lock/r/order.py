"""The order in which R packages are installed: each after what it requires."""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter

from dbmirror.lock.r.errors import CircularDependencies
from dbmirror.lock.r.model import LockedRPackage


def install_order(packages: Iterable[LockedRPackage]) -> tuple[tuple[LockedRPackage, ...], ...]:
    """`packages` in groups: each requires only earlier groups, and those of one can be installed at the same time.

    Sorted by name within a group. Requirements that are not among `packages` are taken to be there already.
    Raises CircularDependencies with the names where some require each other.
    """
    by_name = {package.name: package for package in packages}
    sorter = TopologicalSorter(
        {name: sorted(set(package.depends) & by_name.keys()) for name, package in sorted(by_name.items())}
    )
    try:
        sorter.prepare()
    except CycleError as error:
        circle = " → ".join(reversed(error.args[1]))
        raise CircularDependencies(
            f"There is no order to install these R packages in, for each requires the next one: {circle}.",
            remedy="Leave one of them out with an entry of [[filters.r_blacklist]] in dbmirror.toml.",
        ) from error
    groups = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        groups.append(tuple(by_name[name] for name in ready))
        sorter.done(*ready)
    return tuple(groups)
