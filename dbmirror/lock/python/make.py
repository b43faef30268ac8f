"""Makes Python's lock of a selection: one source for each kept package, one fate for each that was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from dbmirror.filters.model import Decision, Selection, Verdict
from dbmirror.http_client.refused import Cause, Refused
from dbmirror.inventory.layers import Layer
from dbmirror.inventory.model import Distribution, Inventory
from dbmirror.lock.accounting import account, excluded, fate_of, provided, same_version, unreadable, without_source
from dbmirror.lock.apt_candidates import AptCandidates
from dbmirror.lock.fates import Fate, FateKind
from dbmirror.lock.model import (
    IMAGE_LAYER_OF,
    AptPackage,
    BaseImage,
    ImageLayer,
    Lock,
    LockedPackage,
    Missing,
    Source,
    Target,
)
from dbmirror.lock.python.captured import Capture, captured
from dbmirror.lock.python.cluster_indexes import cluster_indexes, from_cluster_index
from dbmirror.lock.python.index import CONNECTIONS, Index, unusable
from dbmirror.lock.python.index_settings import IndexGroup
from dbmirror.lock.python.reuse import Reused, reusable, still_fits
from dbmirror.lock.python.sources import AptFacts, Found, from_apt, from_direct_url, from_index
from dbmirror.lock.python.target import target_of
from dbmirror.parallel import as_ended
from dbmirror.progress import SILENT, Observer
from dbmirror.snapshot import Snapshot

STAGE = "lock"
_MANY = 5
"""So many packages, none of which any index has, raise the question whether there is an index at all."""
_VISIBLE = (Layer.RUNTIME, Layer.LOCAL, Layer.APT)
"""The layers of a base image that the interpreter of /databricks/python3 sees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    """All that looking for a source needs to know."""

    index: Index
    target: Target
    apt: AptFacts
    folder: Path
    capture: Capture | None
    cluster_indexes: Mapping[str, IndexGroup]


def make_lock(
    selection: Selection[Distribution],
    snapshot: Snapshot,
    *,
    runtime: str,
    base: BaseImage,
    base_inventory: Inventory | None,
    index: Index,
    folder: Path,
    capture: Capture | None = None,
    apt_candidates: AptCandidates | None = None,
    observer: Observer = SILENT,
    previous: Lock | None = None,
) -> Lock:
    """The lock of `selection`, for the cluster of `snapshot` on the image `base`.

    Each kept package is looked for in this order: in the base image at that version, in apt if apt owns it, at the
    address that it was installed from, in the indexes, among the cluster's files (`capture`). Files that are no index's
    are written below `folder`. What `previous` says of unchanged packages is taken over unasked; without it everything
    is asked for anew. A package without a source gets its reason, and the work goes on.
    Raises LockError for a target that no index has files for, IndexUnreachable where an index cannot be used at all,
    and what `apt_candidates` raises.
    """
    target = target_of(snapshot.inventory, base_inventory)
    visible = _visible(base_inventory, target)
    kept = {distribution.name: distribution for distribution in selection.kept}
    layers = _image_layers(selection)
    from_base = {
        name for name, there in visible.items() if name in kept and same_version(there.version, kept[name].version)
    }
    for note in index.settings.notes:
        observer.note(note)
    old = reusable(
        previous,
        snapshot=snapshot.digest,
        target=target,
        base=base,
        indexes=index.settings.urls,
        folder=folder,
    )
    reused = {
        name: again for name, found in kept.items() if name not in from_base and (again := _again(old, found, capture))
    }
    wanted = [kept[name] for name in sorted(kept) if name not in from_base and name not in reused]
    search = _Search(
        index=index,
        target=target,
        apt=_apt_facts(wanted, snapshot.inventory, apt_candidates),
        folder=folder,
        capture=capture,
        cluster_indexes=cluster_indexes(snapshot.cluster.libraries, index.settings),
    )
    observer.started(STAGE, total=len(wanted))
    outcomes: dict[str, Found | Missing] = {}
    for distribution, outcome in _look_for(wanted, search):
        outcomes[distribution.name] = outcome
        observer.advanced(STAGE, f"{distribution.name} {distribution.version}")

    packages: list[LockedPackage] = []
    fates: list[Fate] = [unreadable(problem) for problem in selection.problems]
    for decision in selection.decisions:
        if decision.verdict is Verdict.DROP:
            fates.append(excluded(decision))
            continue
        distribution = kept[decision.name]
        in_base = visible.get(decision.name)
        if decision.name in from_base:
            package, fate = None, provided(decision)
        elif decision.name in reused:
            package, fate = _taken_over(decision, distribution, *reused[decision.name], layers[decision.name])
        else:
            outcome, layer = outcomes[decision.name], layers[decision.name]
            package, fate = _resolved(decision, distribution, outcome, in_base, layer)
        fates.append(fate)
        if package is not None:
            packages.append(package)
    lock = Lock(
        snapshot=snapshot.digest,
        runtime=runtime,
        target=target,
        base=base,
        packages=tuple(sorted(packages, key=lambda package: (package.name, list(ImageLayer).index(package.layer)))),
        fates=account(selection, fates),
        indexes=index.settings.urls,
    )
    observer.finished(STAGE, ", ".join(f"{count} {kind}" for kind, count in lock.counts().items() if count))
    return lock


def _look_for(wanted: Sequence[Distribution], search: _Search) -> Iterator[tuple[Distribution, Found | Missing]]:
    """Every distribution of `wanted` with its outcome: index look-ups in parallel, in the order in which they end."""
    lookups: list[Distribution] = []
    linked: list[Distribution] = []
    for found in wanted:
        (lookups if found.direct_url is None or found.apt_package is not None else linked).append(found)
    pool = ThreadPoolExecutor(max_workers=CONNECTIONS, thread_name_prefix="dbmirror-lock")
    try:
        running = {pool.submit(_on_index_or_apt, distribution, search): distribution for distribution in lookups}
        for future in as_ended(running):
            distribution, outcome = running[future], future.result()
            if isinstance(outcome, Missing):
                known = distribution.name in search.cluster_indexes
                outcome = _or_captured(distribution, outcome, search, tell=known)
            yield distribution, outcome
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    _check_index(search.index, asked=len(lookups))
    for distribution in linked:
        # One by one and in this thread: git runs as a child process, which an interrupt must be able to end.
        outcome = from_direct_url(distribution, index=search.index, target=search.target, folder=search.folder)
        if isinstance(outcome, Missing):
            outcome = _or_captured(distribution, outcome, search, tell=True)
        yield distribution, outcome


def _on_index_or_apt(distribution: Distribution, search: _Search) -> Found | Missing:
    if distribution.apt_package is not None:
        return from_apt(distribution, index=search.index, target=search.target, apt=search.apt)
    group = search.cluster_indexes.get(distribution.name)
    if group is not None:
        return from_cluster_index(distribution, group, index=search.index, target=search.target)
    return from_index(distribution, index=search.index, target=search.target)


def _or_captured(distribution: Distribution, missing: Missing, search: _Search, *, tell: bool) -> Found | Missing:
    """What is packed from the cluster's files instead; with `tell` the fate says why."""
    if distribution.apt_package is not None:
        return missing
    outcome = captured(distribution, search.capture, search.folder)
    if isinstance(outcome, Missing):
        return Missing(reason=f"{missing.reason}; {outcome.reason}")
    return replace(outcome, reason=f"{outcome.reason.rstrip('.')}: {missing.reason}.") if tell else outcome


def _check_index(index: Index, *, asked: int) -> None:
    """Tell an index that merely lacks a few packages from an address where no index is: any real one has pip."""
    first = index.settings.main
    if asked < _MANY or index.ever_found() or first.folder is not None:
        return
    if index.project(first, "pip") is None:
        raise unusable(first, Refused(f"has none of the {asked} packages that it was asked for", cause=Cause.GARBAGE))


def _resolved(
    decision: Decision,
    distribution: Distribution,
    outcome: Found | Missing,
    in_base: Distribution | None,
    layer: ImageLayer,
) -> tuple[LockedPackage | None, Fate]:
    if isinstance(outcome, Found):
        kind = FateKind.SUBSTITUTED if outcome.substitute else FateKind.MIRRORED
        fate = fate_of(decision, kind, outcome.reason, substitute=outcome.substitute)
        return _locked(distribution, outcome.source, outcome.version or distribution.version, layer), fate
    return None, without_source(decision, outcome.reason, in_base)


def _taken_over(
    decision: Decision, distribution: Distribution, package: LockedPackage | None, fate: Fate, layer: ImageLayer
) -> tuple[LockedPackage | None, Fate]:
    again = fate_of(decision, fate.kind, fate.reason, substitute=fate.substitute)
    return (None if package is None else _locked(distribution, package.source, package.version, layer)), again


def _image_layers(selection: Selection[Distribution]) -> dict[str, ImageLayer]:
    """Of each kept name the layer of the image that changes least of those where the cluster has this very version.

    virtualenv seeds every environment with a pip of its own: the runtime's layer is the place of them all.
    """
    found: dict[tuple[str, str], list[ImageLayer]] = {}
    for decision in selection.decisions:
        found.setdefault((decision.name, decision.version), []).append(IMAGE_LAYER_OF[decision.layer])
    order = list(ImageLayer).index
    return {kept.name: min(found[kept.name, kept.version], key=order) for kept in selection.kept}


def _locked(distribution: Distribution, source: Source, version: str, layer: ImageLayer) -> LockedPackage:
    if isinstance(source, AptPackage):
        layer = ImageLayer.SYSTEM
    elif layer is ImageLayer.SYSTEM:
        layer = ImageLayer.RUNTIME
    return LockedPackage(
        name=distribution.name, version=version, layer=layer, source=source, requires=distribution.requires
    )


def _again(old: Mapping[tuple[str, str], Reused], distribution: Distribution, capture: Capture | None) -> Reused | None:
    found = old.get((distribution.name, distribution.version))
    if found is None:
        return None
    package, _ = found
    if package is None:
        return None if capture is not None and distribution.capturable else found
    return found if still_fits(package.source, distribution) else None


def _visible(base: Inventory | None, target: Target) -> dict[str, Distribution]:
    """What /databricks/python3 on the base image sees without any further installation, by name.

    Nothing where the base's Python is of another minor version: the environment is made with the cluster's then.
    """
    if base is None or base.python.version.split(".")[:2] != target.python.split(".")[:2]:
        return {}
    return {name: found for name, found in base.effective().items() if found.layer in _VISIBLE}


def _apt_facts(wanted: Sequence[Distribution], inventory: Inventory, ask: AptCandidates | None) -> AptFacts:
    packages = sorted({found.apt_package for found in wanted if found.apt_package is not None})
    installed = {package.name: package.version for package in inventory.debian_packages}
    return AptFacts(installed=installed, candidates=ask(packages) if ask is not None and packages else None)
