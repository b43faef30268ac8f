"""The top-level imports of an image's distributions: what came of each, and what it means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from dbmirror.inventory.field_checks import printable
from dbmirror.lock.fates import Fate
from dbmirror.verify.expected_failures import judge_failure
from dbmirror.verify.model import ImportAttempt
from dbmirror.verify.modules import reason_to_skip

NOT_TRIED: Final = "not tried"
"""The error of an attempt that was left out; its reason is the attempt's `expected`."""


def to_try(modules: Mapping[str, Sequence[str]]) -> list[str]:
    """The modules of `modules` (by distribution) that are tried."""
    return [module for found in modules.values() for module in found if reason_to_skip(module) is None]


def attempts(
    modules: Mapping[str, Sequence[str]], tried: Mapping[str, str | None], *, fates: Mapping[str, Sequence[Fate]]
) -> tuple[ImportAttempt, ...]:
    """An attempt for each module of each distribution of `modules`, sorted, each failure judged.

    `tried` has the last line of the traceback by module, None where it imports. A distribution that has no module to
    try says so.
    """
    found: list[ImportAttempt] = []
    for name in sorted(modules):
        if not modules[name]:
            found.append(
                ImportAttempt(distribution=name, module="-", error=NOT_TRIED, expected="it has no importable module")
            )
        for module in sorted(modules[name]):
            skipped = reason_to_skip(module)
            error = tried.get(module, NOT_TRIED)
            if skipped is not None:
                attempt = ImportAttempt(distribution=name, module=module, error=NOT_TRIED, expected=skipped)
            elif error is None:
                attempt = ImportAttempt(distribution=name, module=module, error=None)
            else:
                judged = judge_failure(printable(error), fates=fates)
                attempt = ImportAttempt(distribution=name, module=module, error=judged.error, expected=judged.expected)
            found.append(attempt)
    return tuple(found)
