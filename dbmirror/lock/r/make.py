"""Makes R's lock of a selection: one source for each kept package, one fate for each that was found."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dbmirror.filters.model import Decision, Selection, Verdict
from dbmirror.inventory.layers import Layer
from dbmirror.inventory.model import Inventory, RPackage
from dbmirror.lock.accounting import account, excluded, fate_of, provided, without_source
from dbmirror.lock.apt_candidates import AptCandidates, upstream
from dbmirror.lock.fates import Fate, FateKind
from dbmirror.lock.model import BaseImage, Missing
from dbmirror.lock.r.additions import additions
from dbmirror.lock.r.captured import RCapture
from dbmirror.lock.r.errors import NoR
from dbmirror.lock.r.installable import installable
from dbmirror.lock.r.model import LockedRPackage, RLacking, RLock
from dbmirror.lock.r.order import install_order
from dbmirror.lock.r.repository import Repositories
from dbmirror.lock.r.reuse import captures, reusable
from dbmirror.lock.r.search import Search, look_for
from dbmirror.lock.r.sources import RFound, RTarget
from dbmirror.lock.r.versions import minor, same_version
from dbmirror.progress import SILENT, Observer
from dbmirror.runtimes.r_notebooks import R_ITSELF
from dbmirror.snapshot import Snapshot

STAGE = "R lock"
_R = "r-base-core"


def make_r_lock(
    selection: Selection[RPackage],
    snapshot: Snapshot,
    *,
    repositories: Repositories,
    base: BaseImage,
    base_inventory: Inventory | None,
    folder: Path,
    capture: RCapture | None = None,
    apt_candidates: AptCandidates | None = None,
    observer: Observer = SILENT,
    previous: RLock | None = None,
) -> RLock:
    """R's lock of `selection`, for the cluster of `snapshot` on the image `base`.

    Each kept package is looked for in this order: in R itself, in the base image at that version, in apt if apt owns
    it, at the commit that it was installed from, in the repositories (current, then archived), among the cluster's
    files (`capture`). What R notebooks need and the cluster has not is added. Archives are written to r-sources/ in
    `folder`. What `previous` says of unchanged packages is taken over unasked. A package without a source, or without
    something that it requires, gets its reason, and the work goes on.
    Raises NoR, CircularDependencies, RepositoryUnreachable where a repository cannot be used at all, and what
    `apt_candidates` raises.
    """
    inventory = snapshot.inventory
    target = r_target(inventory, base)
    base_id = base.image_id or base.reference
    kept = {package.name: package for package in selection.kept}
    in_base = _in_base(base_inventory, target)
    itself = {name for name, package in kept.items() if package.priority == "base" or name in R_ITSELF}
    from_base = {
        name for name, there in in_base.items() if name in kept and same_version(there.version, kept[name].version)
    }
    for note in repositories.settings.notes:
        observer.note(note)
    rest = {name: package for name, package in sorted(kept.items()) if name not in itself | from_base}
    outcomes = reusable(
        previous,
        rest,
        snapshot=snapshot.digest,
        base=base_id,
        target=target,
        settings=repositories.settings,
        folder=folder,
        capturing=capture is not None,
    )
    wanted = [package for name, package in rest.items() if name not in outcomes]
    search = Search(
        repositories=repositories,
        target=target,
        candidates=_candidates(wanted, target, apt_candidates),
        inventory=inventory,
        folder=folder,
        capture=capture,
        captures=captures(
            previous if previous and previous.r_version == target.r_version else None, rest, folder=folder
        ),
    )
    observer.started(STAGE, total=len(wanted))
    for package, outcome in look_for(wanted, search):
        outcomes[package.name] = outcome
        observer.advanced(STAGE, f"{package.name} {package.version}")
    there = in_base.keys() | R_ITSELF | itself
    added, lacking = additions(
        there | kept.keys(), repositories=repositories, target=target, folder=folder, previous=previous
    )
    extra = {package.name: package for package in added}
    outcomes.update((name, RFound(source=package.source, reason="")) for name, package in extra.items())
    depends = {name: package.depends for name, package in rest.items()}
    depends.update((name, package.depends) for name, package in extra.items())
    outcomes = installable(outcomes, depends, there=there)
    packages = [
        extra[name] if name in extra else _locked(kept[name], outcome)
        for name, outcome in outcomes.items()
        if isinstance(outcome, RFound)
    ]
    lacking += [
        RLacking(name=name, reason=f"{extra[name].addition} But {outcome.reason}.")
        for name, outcome in outcomes.items()
        if name in extra and isinstance(outcome, Missing)
    ]
    fates = [
        _fate(decision, itself=itself, from_base=from_base, outcomes=outcomes, in_base=in_base, target=target)
        for decision in selection.decisions
    ]
    lock = RLock(
        snapshot=snapshot.digest,
        r_version=target.r_version,
        repositories=repositories.settings.urls,
        packages=_with_order(packages),
        fates=account(selection, fates),
        base=base_id,
        lacking=tuple(sorted(lacking, key=lambda each: each.name)),
    )
    install_order(lock.packages)
    for each in lock.lacking:
        observer.warn(f"R notebooks will lack {each.name}. {each.reason}")
    observer.finished(STAGE, ", ".join(f"{count} {kind}" for kind, count in lock.counts().items() if count))
    return lock


def only_excluded(selection: Selection[RPackage], snapshot: Snapshot) -> RLock:
    """The lock of a selection that keeps nothing: the fates of what is left out, and no package."""
    return RLock(
        snapshot=snapshot.digest,
        r_version=snapshot.inventory.r_version or "0",
        repositories=(),
        packages=(),
        fates=account(selection, [excluded(decision) for decision in selection.decisions]),
    )


def r_target(inventory: Inventory, base: BaseImage) -> RTarget:
    """What the sources are chosen for: the cluster's R, in the distribution of `base`. Raises NoR."""
    versions = [inventory.r_version, *(package.version for package in inventory.r_packages if package.name == "base")]
    for version in versions:
        try:
            if version is not None and len(minor(version)) == 2:
                return RTarget(
                    r_version=version,
                    architecture=inventory.architecture,
                    os_id=base.os_id,
                    os_version=base.os_version,
                )
        except ValueError:
            continue
    raise NoR("The snapshot does not say which R the cluster has.", remedy="Take it again from a cluster that has R.")


def _candidates(wanted: Sequence[RPackage], target: RTarget, ask: AptCandidates | None) -> dict[str, str]:
    """Debian package to the version that the base has of it, where those are for the cluster's very R; else none."""
    names = sorted({package.apt_package for package in wanted if package.apt_package is not None})
    if ask is None or not names:
        return {}
    found = dict(ask([*names, _R]))
    of_r = upstream(found.pop(_R, "0"))
    return found if of_r == target.r_version or of_r.startswith(f"{target.r_version}.") else {}


def _in_base(base: Inventory | None, target: RTarget) -> dict[str, RPackage]:
    """What R on the base image has, by name; nothing where it is another R than the image will have."""
    if base is None or base.r_version is None:
        return {}
    try:
        return base.effective_r() if minor(base.r_version) == minor(target.r_version) else {}
    except ValueError:
        return {}


def _fate(
    decision: Decision,
    *,
    itself: Collection[str],
    from_base: Collection[str],
    outcomes: Mapping[str, RFound | Missing],
    in_base: Mapping[str, RPackage],
    target: RTarget,
) -> Fate:
    if decision.verdict is Verdict.DROP:
        return excluded(decision)
    if decision.name in itself:
        return fate_of(decision, FateKind.PROVIDED, f"It is a part of R {target.r_version} itself.")
    if decision.name in from_base:
        return provided(decision)
    outcome = outcomes[decision.name]
    if isinstance(outcome, RFound):
        return fate_of(decision, FateKind.MIRRORED, outcome.reason)
    return without_source(decision, outcome.reason, in_base.get(decision.name))


def _locked(package: RPackage, found: RFound) -> LockedRPackage:
    return LockedRPackage(
        name=package.name,
        version=package.version,
        source=found.source,
        depends=package.depends,
        system_requirements=package.system_requirements,
        needs_compilation=package.needs_compilation,
        from_cluster_library=package.layer is Layer.CLUSTER,
    )


def _with_order(packages: Sequence[LockedRPackage]) -> tuple[LockedRPackage, ...]:
    """`packages` sorted by name, of whose requirements only those stand that are among them."""
    names = {package.name for package in packages}
    return tuple(
        replace(package, depends=tuple(sorted(names.intersection(package.depends))))
        for package in sorted(packages, key=lambda package: package.name)
    )
