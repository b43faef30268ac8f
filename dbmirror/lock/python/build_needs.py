"""What a build works with, locked like what it installs: the installer, the environments' tools, build requirements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dbmirror.fetch.fetch import Fetched, NotFetched, Wanted, fetch
from dbmirror.fetch.store import Store
from dbmirror.foreign_text.pep508 import ONE_PARSER
from dbmirror.http_client.refused import Refused
from dbmirror.lock.fates import Fate, FateKind
from dbmirror.lock.model import BuildRequirement, GitSource, IndexFile, Lock, LockedPackage, Missing, Target, UrlFile
from dbmirror.lock.python.build_system import build_requirements
from dbmirror.lock.python.file_hosts import ListedFile, client_of_files
from dbmirror.lock.python.index import Index
from dbmirror.lock.python.pinned import Pin, pinned_files, read_pins
from dbmirror.lock.python.resolve import resolve
from dbmirror.lock.python.sources import from_index
from dbmirror.progress import SILENT, Observer

STAGE = "lock: what the build needs"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildNeeds:
    """What the image of a lock is built with, as its templates know it."""

    pinned: tuple[str, ...] = ()
    """`NAME==VERSION --hash=sha256:…`: the installer and what the runtime's environments are made with."""
    constraints: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Upper bounds of build requirements, by the name of the package that is built; under "" those of the others."""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What the builds of some packages import without saying so, by their name."""
    built: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What the builds of some packages require as a source, where there is no wheel: `NAME==VERSION`, by their name."""


def with_support(
    lock: Lock,
    needs: BuildNeeds,
    *,
    index: Index,
    store: Store,
    folder: Path,
    previous: Lock | None = None,
    observer: Observer = SILENT,
) -> Lock:
    """`lock` with the wheels that its image is built with, each by hash.

    The requirements of a build are read from its source, of which no code runs, and resolved against the indexes. A
    package whose requirements cannot be met is unavailable, for that reason. What `previous` says of the same source is
    taken over. `folder` is the mirror's. Raises LockError where an index lacks the installer or a tool, and
    IndexUnreachable where one cannot be used.
    """
    known = {file.sha256: file for file in previous.support if file.index in lock.indexes} if previous else {}
    pins = read_pins("\n".join(needs.pinned), target=lock.target)
    support = {file.sha256: file for file in pinned_files(pins, index=index, target=lock.target, known=known)}
    built = [package for package in lock.packages if _is_built(package)]
    old = {package.name: package for package in previous.packages} if previous else {}
    outcomes: dict[str, tuple[BuildRequirement, ...] | Refused] = {
        package.name: old[package.name].build_requires
        for package in built
        if package.name in old and _still_right(old[package.name], package, needs, known)
    }
    support |= {pin.sha256: known[pin.sha256] for pins in outcomes.values() for pin in _pins(pins)}
    left = [package for package in built if package.name not in outcomes]
    if left:
        observer.started(STAGE)
        found, files = _resolved(left, needs, lock.target, index=index, store=store, folder=folder)
        outcomes |= found
        support |= files
        observer.finished(STAGE, f"{len(left)} packages are built from source")
    unavailable = {name: str(outcome) for name, outcome in outcomes.items() if isinstance(outcome, Refused)}
    return replace(
        lock,
        packages=tuple(
            replace(package, build_requires=_pins(outcomes[package.name])) if package.name in outcomes else package
            for package in lock.packages
            if package.name not in unavailable
        ),
        fates=tuple(_fate(fate, unavailable) for fate in lock.fates),
        support=tuple(sorted(support.values(), key=lambda file: (file.filename, file.sha256))),
    )


def _resolved(
    packages: Sequence[LockedPackage], needs: BuildNeeds, target: Target, *, index: Index, store: Store, folder: Path
) -> tuple[dict[str, tuple[BuildRequirement, ...] | Refused], dict[str, IndexFile]]:
    """The build requirements of each package, or why there are none, and the files of all, by hash."""
    outcomes: dict[str, tuple[BuildRequirement, ...] | Refused] = {}
    files: dict[str, IndexFile] = {}
    solved: dict[tuple[object, ...], tuple[BuildRequirement, ...]] = {}
    for package, archive in _archives(packages, index=index, store=store, folder=folder):
        try:
            chosen = _chosen(package, needs, target, index=index)
            wanted = [line for line in _wanted(package, archive, needs) if _project(line) not in chosen]
            sources = [found for found in chosen.values() if _is_built(found)]
            for source, its_archive in _archives(sources, index=index, store=store, folder=folder):
                wanted += _wanted(source, its_archive, needs)
            bounds = _bounds(package, needs)
            key = (*wanted, bounds, *chosen)
            if key not in solved:
                pins = resolve(
                    wanted, constraints=bounds, target=target, settings=index.settings, ca_bundle=index.client.ca_bundle
                )
                required = [(name, version, _wheel(name, version, index, target)) for name, version in pins]
                required += [(c.name, c.version, c.source) for c in chosen.values() if isinstance(c.source, IndexFile)]
                files |= {file.sha256: file for _, _, file in required}
                solved[key] = tuple(
                    BuildRequirement(name=name, version=version, sha256=file.sha256)
                    for name, version, file in sorted(required, key=lambda each: each[:2])
                )
            outcomes[package.name] = solved[key]
        except Refused as refusal:
            outcomes[package.name] = refusal
    return outcomes, files


def _archives(
    packages: Sequence[LockedPackage], *, index: Index, store: Store, folder: Path
) -> Iterable[tuple[LockedPackage, Path | NotFetched]]:
    """Each package with its source; those of indexes and addresses are fetched together."""
    wanted = {
        package.name: Wanted(
            url=package.source.url, digest=f"sha256:{package.source.sha256}", size=getattr(package.source, "size", None)
        )
        for package in packages
        if isinstance(package.source, IndexFile | UrlFile)
    }
    sources = [package.source for package in packages if isinstance(package.source, IndexFile)]
    listed = [ListedFile(filename=f.filename, url=f.url, sha256=f.sha256, index=f.index) for f in sources]
    with client_of_files(listed, index=index) as client:
        fetched = fetch(list(wanted.values()), store=store, client=client)
    for package in packages:
        if isinstance(package.source, GitSource):
            yield package, folder / package.source.path
        else:
            outcome = fetched[wanted[package.name]]
            yield package, outcome.path if isinstance(outcome, Fetched) else outcome


def _wanted(package: LockedPackage, archive: Path | NotFetched, needs: BuildNeeds) -> tuple[str, ...]:
    if isinstance(archive, NotFetched):
        raise Refused(f"its source {archive.reason}")
    source = package.source
    filename = source.filename if isinstance(source, IndexFile | UrlFile) else archive.name
    subdirectory = source.subdirectory if isinstance(source, UrlFile | GitSource) else None
    try:
        stated = build_requirements(archive, filename=filename, subdirectory=subdirectory)
    except Refused as refusal:
        raise Refused(f"its source {refusal}") from refusal
    return (*stated, *needs.extra.get(package.name, ()))


def _chosen(package: LockedPackage, needs: BuildNeeds, target: Target, *, index: Index) -> dict[str, LockedPackage]:
    """What the build of `package` requires and may be a source, by name."""
    chosen = {}
    for pin in needs.built.get(package.name, ()):
        name, _, version = pin.partition("==")
        found = from_index(Pin(name, version), index=index, target=target)
        if isinstance(found, Missing) or not isinstance(found.source, IndexFile):
            raise Refused(f"its build requires {name} {version}, which no index has")
        chosen[name] = LockedPackage(name=name, version=version, layer=package.layer, source=found.source)
    return chosen


def _project(line: str) -> str:
    with ONE_PARSER:
        return canonicalize_name(Requirement(line).name)


def _wheel(name: str, version: str, index: Index, target: Target) -> IndexFile:
    found = from_index(Pin(name, version), index=index, target=target)
    if isinstance(found, Missing) or not isinstance(found.source, IndexFile) or not found.source.is_wheel:
        raise Refused(f"its build requires {name} {version}, of which there is no wheel for the image")
    return found.source


def _is_built(package: LockedPackage) -> bool:
    return isinstance(package.source, IndexFile | UrlFile | GitSource) and not package.source.is_wheel


def _still_right(old: LockedPackage, package: LockedPackage, needs: BuildNeeds, known: Mapping[str, IndexFile]) -> bool:
    """Whether the requirements that were locked for `old` are those of `package`: same source, within bounds."""
    if old.source != package.source or not old.build_requires:
        return False
    versions = {pin.name: pin.version for pin in old.build_requires}
    with ONE_PARSER:
        lines = (*needs.extra.get(package.name, ()), *needs.built.get(package.name, ()))
        extra = [Requirement(line) for line in lines]
        bounds = [*extra, *(Requirement(line) for line in _bounds(package, needs))]
    return (
        all(pin.sha256 in known for pin in old.build_requires)
        and all(canonicalize_name(requirement.name) in versions for requirement in extra)
        and all(
            bound.specifier.contains(versions[bound.name], prereleases=True)
            for bound in bounds
            if bound.name in versions
        )
    )


def _bounds(package: LockedPackage, needs: BuildNeeds) -> tuple[str, ...]:
    return needs.constraints.get(package.name, needs.constraints.get("", ()))


def _pins(outcome: tuple[BuildRequirement, ...] | Refused) -> tuple[BuildRequirement, ...]:
    return () if isinstance(outcome, Refused) else outcome


def _fate(fate: Fate, unavailable: Mapping[str, str]) -> Fate:
    reason = unavailable.get(fate.name)
    if reason is None or fate.kind not in {FateKind.MIRRORED, FateKind.SUBSTITUTED}:
        return fate
    text = f"There is only a source of it, which cannot be built: {reason}."
    return replace(fate, kind=FateKind.UNAVAILABLE, reason=text, substitute=None)
