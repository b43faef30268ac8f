"""What verification found: a comparison per package, an attempt per import, a finding per rule, one verdict."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dbmirror.inventory.model import Name, RName, Text

OF_THE_MATCH: Final = frozenset({"L06", "L17"})
"""Rules that say whether Python and R are the cluster's; all others ask whether the platform could boot the image."""
ALWAYS_HELD: Final = frozenset({"L28"})
"""Whatever an image is for, it holds no secret."""


class Severity(StrEnum):
    """How much a failed rule weighs."""

    ERROR = "error"
    """The cluster would not start, or would do the wrong thing: verification fails."""
    WARNING = "warning"
    INFORMATION = "information"


class Outcome(StrEnum):
    """How a rule came out."""

    PASSED = "passed"
    FAILED = "failed"
    WAIVED = "waived"
    """It failed, and the mirror's configuration says why it cannot hold here."""
    NOT_APPLICABLE = "not applicable"
    """It speaks of something that this image or runtime has not; the message says of what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One rule of the DCS contract, held against the image."""

    rule: Text
    """`L02`: the number in the contract."""
    title: Text
    severity: Severity
    outcome: Outcome
    message: Text
    """What was found, and for a failure what to do."""
    waiver: Text | None = None
    """The reason of the waiver, where it is waived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One distribution that the image must have, as the lock says and as the image has it."""

    name: Name
    expected: Text
    found: Text | None
    """The effective version in the image; None if it is missing."""

    @property
    def equal(self) -> bool:
        """Whether the image has it at exactly that version."""
        return self.expected == self.found


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportAttempt:
    """One top-level import of a mirrored distribution, tried in a process of its own in the image."""

    distribution: Name
    module: Text
    error: Text | None
    """The last line of the traceback; None if it imported."""
    expected: Text | None = None
    """Why a failure is no defect of the image: the same import fails on the cluster, it needs Spark, …"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RPackageCheck:
    """One R package that the image must have: as the lock says, as R finds it, and whether it loads."""

    name: RName
    expected: Text
    found: Text | None
    """The version of the package that R takes by that name; None if it finds none."""
    error: Text | None = None
    """The last line of what R said; None if it loaded."""

    @property
    def good(self) -> bool:
        """Whether it is there at exactly that version and loads."""
        return self.expected == self.found and self.error is None


@dataclass(frozen=True, slots=True, kw_only=True)
class RFailure:
    """One R package that could not be built, in an image that was built without it on request."""

    name: RName
    version: Text
    reason: Text
    """The compiler's or R's own words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that verification found in one image."""

    image_id: Text
    """`sha256:…`: the engine's id of what was verified."""
    snapshot: Text
    lock: Text
    """Digests of what it was held against."""
    comparisons: tuple[Comparison, ...]
    imports: tuple[ImportAttempt, ...]
    findings: tuple[Finding, ...]
    extra: tuple[tuple[Name, Text], ...] = ()
    """Distributions that the image has beyond what is mirrored and provided, with their versions."""
    r_packages: tuple[RPackageCheck, ...] = ()
    """Empty for an image without R."""
    r_failed: tuple[RFailure, ...] = ()
    """What the build left out (`--keep-going`): not in the image, and no difference either."""
    verifier: Text = ""
    """What made the report, as `verifier()` says it; empty for one that does not say."""

    purpose: Text = "cluster"
    """What the mirror is for, as its section says: `cluster` or `lab`."""

    @property
    def broken(self) -> tuple[Finding, ...]:
        """The rules of severity error that do not hold and are not waived."""
        return tuple(f for f in self.findings if f.outcome is Outcome.FAILED and f.severity is Severity.ERROR)

    @property
    def matches(self) -> bool:
        """It is what the cluster has: no comparison differs, no import or R package fails unexpectedly."""
        return (
            all(comparison.equal for comparison in self.comparisons)
            and all(check.good for check in self.r_packages)
            and all(attempt.error is None or attempt.expected for attempt in self.imports)
            and not any(finding.rule in OF_THE_MATCH for finding in self.broken)
        )

    @property
    def boot_obstacles(self) -> tuple[Finding, ...]:
        """Why it could not boot under Container Services; empty where it could."""
        return tuple(finding for finding in self.broken if finding.rule not in OF_THE_MATCH)

    @property
    def passed(self) -> bool:
        """It matches the cluster, and no rule is broken that matters for what it is for."""
        for_lab = self.purpose == "lab"
        return self.matches and not any(f.rule in ALWAYS_HELD or not for_lab for f in self.boot_obstacles)
