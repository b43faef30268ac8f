"""Verify an image: examine it in containers, compare it with the lock, judge it by the contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Final

from dbmirror.config import Waiver
from dbmirror.engine.docker import client
from dbmirror.engine.images import ImageUnavailable, image_history, inspect_image
from dbmirror.filters.flavour import Flavour
from dbmirror.hosts.container import ContainerHost
from dbmirror.hosts.containment import SCRATCH
from dbmirror.inventory.collect import collect
from dbmirror.inventory.model import Inventory
from dbmirror.lock.fates import same_version
from dbmirror.lock.model import Fate, FateKind, Lock
from dbmirror.lock.python.lock_files import lock_digest
from dbmirror.lock.r.model import RLock
from dbmirror.progress import SILENT, Observer
from dbmirror.runtimes.model import Runtime
from dbmirror.snapshot import Snapshot
from dbmirror.verify.evidence import Evidence
from dbmirror.verify.imports import PYTHON, Tried, attempts, try_imports
from dbmirror.verify.model import Comparison, Outcome, Report, Severity
from dbmirror.verify.r_facts import RFacts, checks, examine_r, names_to_load
from dbmirror.verify.rules.contract import judge
from dbmirror.verify.rules.python import smoke_modules
from dbmirror.verify.system_facts import SystemFacts, examine_system

STAGE: Final = "verify"
READS_ALL: Final = ("DAC_OVERRIDE", "SETGID", "SETUID")
"""What reading every file, and becoming the user `libraries`, takes."""


def verify(
    image: str,
    *,
    lock: Lock,
    snapshot: Snapshot,
    runtime: Runtime,
    waivers: Sequence[Waiver] = (),
    purpose: str = "cluster",
    observer: Observer = SILENT,
    r_lock: RLock | None = None,
    flavour: Flavour = Flavour.PYTHON,
) -> Report:
    """What `image` (a name or id in the engine) has, held against its lock and against the contract for `runtime`.

    A difference is a part of the report, not an error. The image runs in two confined containers, removed at the end:
    in the one that has rights, nothing of the packages is started. Raises ImageUnavailable where the engine has no such
    image, NoPythonFound where nothing in it can be examined, VerificationFailed and HostError where a probe does not
    run.
    """
    observer.started(STAGE, total=4 if r_lock is None else 5)
    facts = inspect_image(image)
    if facts is None:
        raise ImageUnavailable(
            f"There is no image {image} in the engine.", remedy="Build it with 'dbmirror build MIRROR'."
        )
    expected = expected_versions(lock)
    with (
        closing(client(timeout=600)) as connected,
        ContainerHost(facts.image_id, client=connected, user="0", capabilities=READS_ALL) as files,
        ContainerHost(facts.image_id, client=connected, user="0", writable=SCRATCH) as host,
    ):
        observer.advanced(STAGE, "inventory", steps=0)
        inventory = collect(host)
        observer.advanced(STAGE, "system", steps=1)
        system = examine_system(files, host)
        observer.advanced(STAGE, f"imports of {len(expected)} packages", steps=1)
        smoke = smoke_modules(runtime) if flavour.has_python else ()
        tried = _imports(host, system, expected, smoke, lambda words: observer.advanced(STAGE, words, steps=0))
        r: RFacts | None = None
        if r_lock is not None:
            names = names_to_load(r_lock)
            observer.advanced(STAGE, f"loading {len(names)} R packages", steps=1)
            r = examine_r(host, names)
        observer.advanced(STAGE, "rules", steps=1)
    evidence = Evidence(
        image=facts,
        history=image_history(facts.image_id),
        system=system,
        smoke=tried.modules,
        inventory=inventory,
        lock=lock,
        snapshot=snapshot,
        runtime=runtime,
        flavour=flavour,
        r_lock=r_lock,
        r=r,
    )
    report = Report(
        image_id=facts.image_id,
        snapshot=snapshot.digest,
        lock=lock_digest(lock),
        comparisons=compare(expected, inventory),
        imports=attempts(tried, expected, fates=_by_name(lock)),
        findings=judge(evidence, waivers),
        extra=extra(inventory, expected),
        r_packages=checks(r_lock, r) if r_lock is not None and r is not None else (),
        r_failed=r.failed if r is not None else (),
        purpose=purpose,
    )
    observer.finished(STAGE, summary(report))
    return report


def expected_versions(lock: Lock) -> dict[str, str]:
    """Name to version of all that the image must have: what is mirrored, and what the base is to provide."""
    exact = {FateKind.MIRRORED, FateKind.PROVIDED}
    return {fate.name: fate.version for fate in sorted(lock.fates, key=lambda f: f.name) if fate.kind in exact}


def compare(expected: Mapping[str, str], inventory: Inventory) -> tuple[Comparison, ...]:
    """Each of `expected` beside the image's effective version; two spellings of one version are the same."""
    effective = inventory.effective()
    comparisons = []
    for name, version in expected.items():
        found = effective[name].version if name in effective else None
        if found is not None and same_version(found, version):
            found = version
        comparisons.append(Comparison(name=name, expected=version, found=found))
    return tuple(comparisons)


def extra(inventory: Inventory, expected: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What the image has beyond `expected`, by name, with its effective version: the base or an apt package brought it.

    A package that a rule excludes, or that has no source, stands here if it is in the image all the same.
    """
    return tuple(sorted((name, d.version) for name, d in inventory.effective().items() if name not in expected))


def summary(report: Report) -> str:
    """The report's verdict with its counts on one line."""
    different = sum(not comparison.equal for comparison in report.comparisons)
    broken = sum(attempt.error is not None and attempt.expected is None for attempt in report.imports)
    failed = {
        severity: [f.rule for f in report.findings if f.outcome is Outcome.FAILED and f.severity is severity]
        for severity in Severity
    }
    waived = [finding.rule for finding in report.findings if finding.outcome is Outcome.WAIVED]
    parts = [
        f"{len(report.comparisons) - different} of {len(report.comparisons)} packages as locked",
        f"{broken} unexpected import failures" if broken else "all imports as expected",
        f"rules not held: {', '.join(failed[Severity.ERROR])}" if failed[Severity.ERROR] else "no rule broken",
    ]
    if report.r_packages:
        good = sum(check.good for check in report.r_packages)
        parts.insert(2, f"{good} of {len(report.r_packages)} R packages as locked and loading")
    if report.r_failed:
        parts.insert(3, f"built without {', '.join(failure.name for failure in report.r_failed)}")
    if failed[Severity.WARNING]:
        parts.append(f"warnings: {', '.join(failed[Severity.WARNING])}")
    if waived:
        parts.append(f"waived: {', '.join(waived)}")
    return f"{'passed' if report.passed else 'FAILED'}: {'; '.join(parts)}"


def _imports(
    host: ContainerHost,
    system: SystemFacts,
    expected: Mapping[str, str],
    modules: Sequence[str],
    tell: Callable[[str], object],
) -> Tried:
    """The imports; none where the environment's Python does not run, which rule L06 reports."""
    if not system.answer("python").good:
        return Tried(distributions={}, modules=dict.fromkeys(modules, f"{PYTHON} does not run"))
    return try_imports(host, expected, modules=modules, tell=tell)


def _by_name(lock: Lock) -> dict[str, list[Fate]]:
    found: dict[str, list[Fate]] = {}
    for fate in lock.fates:
        found.setdefault(fate.name, []).append(fate)
    return found
