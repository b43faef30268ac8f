"""Adds to the image what R notebooks need and the cluster's own R lacks: on a cluster the platform brings it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from dbmirror.lock.model import Missing
from dbmirror.lock.r.model import LockedRPackage, RLacking, RLock
from dbmirror.lock.r.repository import Repositories
from dbmirror.lock.r.reuse import still_there
from dbmirror.lock.r.sources import RTarget, from_repositories
from dbmirror.runtimes.r_notebooks import R_NOTEBOOK_PACKAGES, R_NOTEBOOK_VERSIONS

Addition = LockedRPackage | RLacking


def additions(
    there: Collection[str],
    *,
    repositories: Repositories,
    target: RTarget,
    folder: Path,
    previous: RLock | None,
) -> tuple[list[LockedRPackage], list[RLacking]]:
    """The packages of R_NOTEBOOK_PACKAGES that are not `there`, with what they require, and those without a source.

    At the version that `previous` has while its source holds, else at the one that notebooks are known to work with,
    else the repositories' newest. What `depends` of a result names may be there already.
    """
    known = {package.name: package for package in previous.packages if package.addition} if previous else {}
    found: dict[str, LockedRPackage] = {}
    lacking: dict[str, RLacking] = {}
    wanted = {name: reason for name, reason in R_NOTEBOOK_PACKAGES.items() if name not in there}
    while wanted:
        name, reason = wanted.popitem()
        old = known.get(name)
        if old is not None and still_there(old, settings=repositories.settings, same_base=True, folder=folder):
            added: Addition = old
        else:
            added = _find(name, reason, repositories=repositories, target=target, folder=folder)
        if isinstance(added, RLacking):
            lacking[name] = added
            continue
        found[name] = added
        for required in added.depends:
            if required not in there and required not in found and required not in lacking:
                wanted.setdefault(required, f"{name}, which R notebooks need, requires it.")
    return sorted(found.values(), key=lambda each: each.name), sorted(lacking.values(), key=lambda each: each.name)


def _find(name: str, reason: str, *, repositories: Repositories, target: RTarget, folder: Path) -> Addition:
    version = R_NOTEBOOK_VERSIONS.get(name) or _newest(name, repositories)
    if version is None:
        return RLacking(name=name, reason=f"{reason} No R repository that is configured has it.")
    outcome = from_repositories(name, version, repositories=repositories, target=target, folder=folder)
    if isinstance(outcome, Missing):
        return RLacking(name=name, reason=f"{reason} It has no source: {outcome.reason}.")
    described = outcome.description
    listed = next(
        (
            listed
            for location in repositories.settings.repositories
            if (listed := repositories.packages(location).listed.get((name, version)))
        ),
        None,
    )
    return LockedRPackage(
        name=name,
        version=version,
        source=outcome.source,
        depends=described.depends if described else listed.depends if listed else (),
        system_requirements=described.system_requirements if described else None,
        needs_compilation=described.needs_compilation if described else bool(listed and listed.needs_compilation),
        addition=reason,
    )


def _newest(name: str, repositories: Repositories) -> str | None:
    for location in repositories.settings.repositories:
        listed = repositories.packages(location).newest.get(name)
        if listed is not None and not location.binary:
            return listed.version
    return None
