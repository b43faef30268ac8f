"""Whether a function of foreign text takes time in proportion to its length: a hostile one gives long ones."""

from __future__ import annotations

import time
from collections.abc import Callable

SHORT = 10_000
FACTOR = 8
_SLACK = 3.0
"""Linear time grows by FACTOR, quadratic time by its square; noise of a loaded machine lies between."""
_UNMEASURABLE = 0.005
"""Seconds of processor time below which a measurement says nothing."""


def assert_linear(function: Callable[[str], object], text: str | Callable[[int], str]) -> None:
    """`function` on a text of FACTOR times the length takes less than _SLACK * FACTOR the time.

    `text` is the piece that the text repeats, or makes a text of a length.
    """
    made = text if callable(text) else lambda length: text * (length // len(text))
    long = made(SHORT * FACTOR)
    took = _seconds(function, long)
    if took < _UNMEASURABLE * FACTOR * _SLACK:
        return
    limit = max(_seconds(function, made(SHORT)), _UNMEASURABLE) * FACTOR * _SLACK
    # The second time is for what came in between on a loaded machine.
    took = took if took < limit else _seconds(function, long)
    assert took < limit, f"{long[:20]!r}… is searched in more than linear time: {took:.2f} s for {len(long)} characters"


def _seconds(function: Callable[[str], object], text: str) -> float:
    before = time.process_time()
    function(text)
    return time.process_time() - before
