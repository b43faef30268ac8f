"""Look for the source of each R package: in apt, at its own remote, in the repositories, among the cluster's files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from dbmirror.inventory.model import Inventory, RPackage
from dbmirror.lock.model import Missing
from dbmirror.lock.r.captured import CAPTURED, RCapture, captured
from dbmirror.lock.r.git_remotes import from_git, remote_type
from dbmirror.lock.r.model import CapturedRPackage
from dbmirror.lock.r.repository import CONNECTIONS, Repositories
from dbmirror.lock.r.sources import RFound, RTarget, from_apt, from_repositories
from dbmirror.parallel import as_ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """All that looking for a source needs to know."""

    repositories: Repositories
    target: RTarget
    candidates: Mapping[str, str]
    """Debian package to the version that apt would install; none where those are for another R."""
    inventory: Inventory
    folder: Path
    capture: RCapture | None
    captures: Mapping[str, CapturedRPackage]
    """What was captured before and still lies in `folder`, by name."""


def look_for(wanted: Sequence[RPackage], search: Search) -> Iterator[tuple[RPackage, RFound | Missing]]:
    """Every package of `wanted` with its outcome: repository look-ups in parallel, in the order in which they end."""
    repository: list[RPackage] = []
    for package in wanted:
        found = from_apt(package, search.candidates)
        if isinstance(found, RFound):
            yield package, found
        elif remote_type(package) == "repository":
            repository.append(package)
        else:
            # One by one and in this thread: git runs as a child process, which an interrupt must be able to end.
            yield package, _from_remote(package, search)
    pool = ThreadPoolExecutor(max_workers=CONNECTIONS, thread_name_prefix="dbmirror-r-lock")
    try:
        running = {
            pool.submit(
                from_repositories,
                package.name,
                package.version,
                repositories=search.repositories,
                target=search.target,
                folder=search.folder,
            ): package
            for package in repository
        }
        for future in as_ended(running):
            package, outcome = running[future], future.result()
            yield package, outcome if isinstance(outcome, RFound) else _or_captured(package, outcome, search)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _from_remote(package: RPackage, search: Search) -> RFound | Missing:
    """What did not come from a repository: a package of the same name there may be anyone's, and is not taken."""
    kind = remote_type(package)
    if kind == "git":
        outcome = from_git(package, folder=search.folder, client=search.repositories.client)
    else:
        outcome = Missing(reason=f"it was installed on the cluster from a place of the kind {kind!r}")
    if isinstance(outcome, RFound):
        return outcome
    packed = _or_captured(package, outcome, search)
    return (
        replace(packed, reason=f"{CAPTURED.rstrip('.')}: {outcome.reason}.") if isinstance(packed, RFound) else packed
    )


def _or_captured(package: RPackage, missing: Missing, search: Search) -> RFound | Missing:
    if package.name in search.captures:
        return RFound(source=search.captures[package.name], reason=CAPTURED)
    outcome = captured(package, search.capture, inventory=search.inventory, target=search.target, folder=search.folder)
    return outcome if isinstance(outcome, RFound) else Missing(reason=f"{missing.reason}; {outcome.reason}")
