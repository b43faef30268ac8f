"""Verify an image: examine it in containers, compare it with the lock, judge it by the contract."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Final

from dbmirror.config import Waiver
from dbmirror.engine.docker import client
from dbmirror.engine.images import ImageUnavailable, image_history, inspect_image
from dbmirror.filters.flavour import Flavour
from dbmirror.hosts.container import ContainerHost
from dbmirror.hosts.containment import SCRATCH
from dbmirror.hosts.exported import exported
from dbmirror.inventory.field_checks import printable
from dbmirror.inventory.model import Inventory
from dbmirror.inventory.unpacked import READ, collect_unpacked, unpack
from dbmirror.lock.accounting import same_version
from dbmirror.lock.fates import Fate, FateKind
from dbmirror.lock.model import Lock
from dbmirror.lock.python.lock_files import lock_digest
from dbmirror.lock.r.model import RLock
from dbmirror.processes.temporary import temporary_folder
from dbmirror.progress import SILENT, Observer
from dbmirror.runtimes.model import Runtime
from dbmirror.snapshot import Snapshot
from dbmirror.verify.attempts import CHANGES_USERS, NotStarted, Program, Results, attempt_all
from dbmirror.verify.evidence import Evidence
from dbmirror.verify.imports import attempts, to_try
from dbmirror.verify.model import Comparison, Outcome, Report, Severity
from dbmirror.verify.modules import modules_of
from dbmirror.verify.programs import PROGRAMS
from dbmirror.verify.r_facts import R_FAILED, RFacts, checks, names_to_load, r_facts, r_programs
from dbmirror.verify.rules.contract import judge
from dbmirror.verify.rules.python import smoke_modules
from dbmirror.verify.system_facts import NO_ANSWER, examine_system, with_programs
from dbmirror.verify.wheel_files import WheelOf, wheel_files

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
    wheel_of: WheelOf = lambda _: None,
) -> Report:
    """What `image` (a name or id in the engine) has, held against its lock and against the contract for `runtime`.

    Which packages are there, at which versions, and whether their files are those of their wheels (`wheel_of` gives the
    locked file of a package) is read from the image's files, outside of it: what runs in an image can say anything.
    What runs speaks for itself alone. A difference is a part of the report, not an error. Containers are confined, and
    removed at the end. Raises ImageUnavailable where the engine has no such image, NoPythonFound where it has no
    environment, VerificationFailed and HostError where a probe does not run.
    """
    observer.started(STAGE, total=3)
    facts = inspect_image(image)
    if facts is None:
        raise ImageUnavailable(
            f"There is no image {image} in the engine.", remedy="Build it with 'dbmirror build MIRROR'."
        )
    expected = expected_versions(lock)
    files = wheel_files(lock, wheel_of)
    with closing(client(timeout=600)) as connected, temporary_folder("verify") as folder:
        observer.advanced(STAGE, "files", steps=0)
        with exported(facts.image_id, READ, client=connected) as archives:
            unpacked = unpack(archives, folder, hashed=files)
        inventory = collect_unpacked(unpacked, name=image)
        changed = files.changed(unpacked.hashes)
        modules = modules_of(unpacked, inventory, expected)
        left_out = unpacked.text(R_FAILED)
        observer.advanced(STAGE, "system", steps=1)
        with (
            ContainerHost(facts.image_id, client=connected, user="0", capabilities=READS_ALL) as reading,
            ContainerHost(facts.image_id, client=connected, user="0", writable=SCRATCH) as running,
        ):
            system = examine_system(reading, running)
        names = names_to_load(r_lock) if r_lock is not None else frozenset()
        loading = f", loading {len(names)} R packages" if names else ""
        observer.advanced(STAGE, f"imports of {len(expected)} packages{loading}", steps=1)
        smoke = smoke_modules(runtime) if flavour.has_python else ()
        nonce = secrets.token_hex(16)
        programs = {**PROGRAMS, **(r_programs(names, nonce) if r_lock is not None else {})}
        with ContainerHost(
            facts.image_id, client=connected, user="0", writable=SCRATCH, capabilities=CHANGES_USERS
        ) as host:
            results = _attempts(
                host,
                [*to_try(modules), *smoke],
                programs,
                alone=lambda: ContainerHost(facts.image_id, client=connected, user="0", writable=SCRATCH),
                tell=lambda words: observer.advanced(STAGE, words, steps=0),
            )
        system = with_programs(system, {name: results.programs[name] for name in PROGRAMS})
        r: RFacts | None = None
        if r_lock is not None:
            r = r_facts(results.programs, names, nonce, inventory=inventory, failed=left_out)
        observer.advanced(STAGE, "rules", steps=1)
    evidence = Evidence(
        image=facts,
        history=image_history(facts.image_id),
        system=system,
        smoke={module: results.imports[module] for module in smoke},
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
        comparisons=compare(expected, inventory, changed),
        imports=attempts(modules, results.imports, fates=_by_name(lock)),
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


def compare(
    expected: Mapping[str, str], inventory: Inventory, changed: Mapping[str, Sequence[str]] | None = None
) -> tuple[Comparison, ...]:
    """Each of `expected` beside the image's effective version; two spellings of one version are the same.

    `changed` has the files, by package, that are not as the package's wheel has them: then it is another.
    """
    effective = inventory.effective()
    comparisons = []
    for name, version in expected.items():
        found = effective[name].version if name in effective else None
        if found is not None and same_version(found, version):
            found = version
        if found is not None and (paths := (changed or {}).get(name)):
            more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
            found = printable(f"{found}, with {paths[0]}{more} other than in its wheel")
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


def _attempts(
    host: ContainerHost,
    modules: Sequence[str],
    programs: Mapping[str, Program],
    *,
    alone: Callable[[], ContainerHost],
    tell: Callable[[str], object],
) -> Results:
    """The attempts; where the environment's Python does not run, which rule L06 reports, none comes to anything."""
    try:
        return attempt_all(host, modules, programs, alone=alone, tell=tell)
    except NotStarted as error:
        return Results(imports=dict.fromkeys(modules, error.message), programs=dict.fromkeys(programs, NO_ANSWER))


def _by_name(lock: Lock) -> dict[str, list[Fate]]:
    found: dict[str, list[Fate]] = {}
    for fate in lock.fates:
        found.setdefault(fate.name, []).append(fate)
    return found
