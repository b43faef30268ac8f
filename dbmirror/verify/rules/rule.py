"""What a rule is, and its three results: passed, failed, not applicable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dbmirror.verify.evidence import Evidence
from dbmirror.verify.model import Outcome, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a rule came out for an image."""

    outcome: Outcome
    message: str
    severity: Severity | None = None
    """Where this failure weighs otherwise than the rule's failures in general."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of the contract, under the number that docs/contract.md explains it by."""

    number: str
    title: str
    severity: Severity
    check: Callable[[Evidence], Result]


def passed(message: str) -> Result:
    """The rule holds; `message` says by what."""
    return Result(outcome=Outcome.PASSED, message=message)


def failed(message: str, *, severity: Severity | None = None) -> Result:
    """The rule does not hold; `message` says what was found and what to do."""
    return Result(outcome=Outcome.FAILED, message=message, severity=severity)


def not_applicable(message: str) -> Result:
    """The rule speaks of something that is not here; `message` says of what."""
    return Result(outcome=Outcome.NOT_APPLICABLE, message=message)


def listed(names: list[str], *, most: int = 6) -> str:
    """`names` as a sentence's part, shortened after `most`."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
