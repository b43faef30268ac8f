"""R in an image: its version, its packages loaded one by one, and what the build had to leave out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from dbmirror.inventory.field_checks import fits, printable
from dbmirror.inventory.model import Inventory, RName
from dbmirror.lock.fates import Fate, FateKind
from dbmirror.lock.mirror_lock import MirrorLock
from dbmirror.lock.r.model import RLacking, RLock
from dbmirror.runtimes.r_notebooks import R_NOTEBOOK_PACKAGES
from dbmirror.verify.attempts import ATTEMPT_SECONDS, Program
from dbmirror.verify.model import Report, RFailure, RPackageCheck
from dbmirror.verify.sent_programs import sent
from dbmirror.verify.system_facts import NO_ANSWER, Answer

R_FAILED: Final = "/usr/share/dbmirror/r-failed.tsv"
"""What the build left out, in the image."""
_R_ITSELF: Final = "R"
_LOAD: Final = "load "
_LOADS: Final = sent("loads.R").decode()
_VERSION: Final = re.compile(r"R version (\d+\.\d+\.\d+)")
_LEFT_OUT: Final = "It could not be built, and the image was made without it (--keep-going)"
_TIMED_OUT: Final = frozenset({124, 137})


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """How one R package loads."""

    version: str | None
    """Of the package that R finds by that name; None where it finds none."""
    error: str | None
    """The last line of what R said; None if it loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RFacts:
    """What R in the image says."""

    version: str | None
    """`4.2.2`; None where R does not run."""
    packages: Mapping[str, Loaded]
    failed: tuple[RFailure, ...] = ()
    """What the build left out (`--keep-going`)."""


def r_programs(names: Iterable[str], nonce: str) -> dict[str, Program]:
    """The attempts to start R, and to load each of the packages `names`, in a process of its own."""
    options = ("--no-echo", "--no-save", "--no-restore", "--no-init-file", "--args", nonce)
    wanted = sorted(set(names))
    loads = {
        f"{_LOAD}{name}": Program(
            argv=("R", *options, name), stdin=_LOADS, told=f"R package {number} of {len(wanted)}: {name}"
        )
        for number, name in enumerate(wanted, start=1)
    }
    return {_R_ITSELF: Program(argv=("R", "--version")), **loads}


def r_facts(
    answers: Mapping[str, Answer], names: Iterable[str], nonce: str, *, inventory: Inventory, failed: str = ""
) -> RFacts:
    """What came of `r_programs`: how each of `names` loads, at the version that stands in the image's files.

    `failed` is the file of what the build left out.
    """
    wanted = sorted(set(names))
    itself = answers.get(_R_ITSELF, NO_ANSWER)
    match = _VERSION.match(itself.first_line) if itself.good else None
    if match is None:
        said = itself.first_line or "it is not there"
        return RFacts(version=None, packages={name: _unloaded(f"R does not run: {said}") for name in wanted})
    versions: dict[str, set[str]] = {}
    for package in inventory.r_packages:
        versions.setdefault(package.name, set()).add(package.version)
    packages = {}
    for name in wanted:
        loaded = parse_load(answers.get(f"{_LOAD}{name}", NO_ANSWER), nonce)
        if loaded.version not in versions.get(name, set()):
            # What R says of a package may be what the package says of itself; its files say what it is.
            loaded = replace(loaded, version=max(versions[name]) if name in versions else None)
        packages[name] = loaded
    return RFacts(version=match[1], packages=packages, failed=parse_failed(failed))


def parse_load(answer: Answer, nonce: str) -> Loaded:
    """What one process of loads.R answered; its last words where it did not come to its end."""
    said: dict[str, str] = {}
    words: list[str] = []
    for line in answer.output.splitlines():
        mark, _, rest = line.partition(" ")
        if mark == nonce:
            kind, _, text = rest.partition(" ")
            said[kind] = printable(text.strip())[:500]
        elif line.strip():
            words.append(printable(line.strip())[:500])
    version = said.get("version")
    if answer.code in _TIMED_OUT:
        error: str | None = f"it did not end within {ATTEMPT_SECONDS:g} s"
    elif "error" in said:
        error = said["error"]
    elif not answer.good:
        error = f"it ended R with code {answer.code}" + (f": {words[-1]}" if words else "")
    else:
        error = None if version is not None else "R said nothing of it"
    return Loaded(version=None if version in {None, "NA"} else version, error=error)


def parse_failed(text: str) -> tuple[RFailure, ...]:
    """The lines `NAME VERSION REASON`, separated by tabs, of what was left out; others are passed over."""
    rows = (line.split("\t", 2) for line in text.splitlines())
    return tuple(
        RFailure(name=row[0], version=printable(row[1]), reason=printable(row[2]))
        for row in rows
        if len(row) == 3 and fits(row[0], RName)
    )


def expected_r(lock: RLock) -> dict[str, str]:
    """Name to version of all R packages that the image must have: what is mirrored, what the base is to provide."""
    provided = {fate.name: fate.version for fate in lock.fates if fate.kind is FateKind.PROVIDED}
    return dict(sorted((provided | {package.name: package.version for package in lock.packages}).items()))


def names_to_load(lock: RLock) -> frozenset[str]:
    """The packages to try: the expected ones, and what notebooks need whoever brings it."""
    return frozenset(expected_r(lock)) | frozenset(R_NOTEBOOK_PACKAGES)


def checks(lock: RLock, facts: RFacts) -> tuple[RPackageCheck, ...]:
    """Each expected package beside the image's, sorted, but for those that the build left out."""
    left_out = {failure.name for failure in facts.failed}
    return tuple(
        RPackageCheck(name=name, expected=version, found=found.version, error=found.error)
        for name, version in expected_r(lock).items()
        if name not in left_out
        for found in (facts.packages.get(name, _unloaded("it was not tried")),)
    )


def as_built(lock: MirrorLock, report: Report) -> MirrorLock:
    """`lock` as the image of `report` turned out: the same, but for what the build left out."""
    return replace(lock, r=with_failures(lock.r, report.r_failed)) if lock.r is not None and report.r_failed else lock


def with_failures(lock: RLock, failures: Iterable[RFailure]) -> RLock:
    """`lock` as an image turned out that was built without the packages of `failures`: their fate is `unavailable`.

    What was to be added beyond the cluster's own packages is lacking.
    """
    reasons = {failure.name: failure.reason for failure in failures}
    lacking = [
        RLacking(name=package.name, reason=f"{package.addition} {_LEFT_OUT}: {reasons[package.name]}")
        for package in lock.packages
        if package.addition and package.name in reasons
    ]
    return replace(
        lock,
        packages=tuple(package for package in lock.packages if package.name not in reasons),
        fates=tuple(_turned(fate, reasons) for fate in lock.fates),
        lacking=tuple(sorted((*lock.lacking, *lacking), key=lambda each: each.name)),
    )


def _turned(fate: Fate, reasons: Mapping[str, str]) -> Fate:
    if fate.kind is not FateKind.MIRRORED or fate.name not in reasons:
        return fate
    return replace(fate, kind=FateKind.UNAVAILABLE, reason=f"{_LEFT_OUT}: {reasons[fate.name]}")


def _unloaded(error: str) -> Loaded:
    return Loaded(version=None, error=error)
