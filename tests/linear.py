"""Whether a function of foreign text takes time in proportion to its length: a hostile one gives long ones."""

from __future__ import annotations

import time
from collections.abc import Callable

SHORT = 40_000
FACTOR = 8
_SLACK = 3.0
"""Linear time grows by FACTOR, quadratic time by its square; noise of a loaded machine lies between."""
_UNMEASURABLE = 0.02
"""Seconds of processor time below which a measurement says nothing."""


def assert_linear(function: Callable[[str], object], piece: str) -> None:
    """`function` on a text that repeats `piece`: FACTOR times the text takes less than _SLACK * FACTOR the time."""
    short, long = (piece * (length // len(piece)) for length in (SHORT, SHORT * FACTOR))
    limit = max(_seconds(function, short), _UNMEASURABLE) * FACTOR * _SLACK
    assert _seconds(function, long) < limit, f"{piece!r} is searched in more than linear time"


def _seconds(function: Callable[[str], object], text: str) -> float:
    best = float("inf")
    for _ in range(2):
        before = time.process_time()
        function(text)
        best = min(best, time.process_time() - before)
    return best
