from __future__ import annotations

from typing import Any

import pytest

from dbmirror.publish.registries.errors import ConnectionCut, QuotaRefused, RateLimited, RegistryError
from dbmirror.publish.registries.retries import Patience


def failing(*failures: RegistryError) -> Any:
    left = list(failures)

    def action() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return action


def test_what_may_pass_by_itself_is_tried_again_after_a_growing_wait(recorder: Any) -> None:
    waits: list[float] = []
    patience = Patience(attempts=4, sleep=waits.append, observer=recorder)
    assert patience.apply(failing(*[ConnectionCut("Cut.")] * 3)) == "done"
    assert waits == [1, 2, 4]
    assert recorder.lines[0] == "warn Cut. Trying again in 1 s (attempt 2 of 4)."


def test_after_the_last_attempt_the_error_is_raised(recorder: Any) -> None:
    waits: list[float] = []
    with pytest.raises(ConnectionCut):
        Patience(attempts=2, sleep=waits.append, observer=recorder).apply(failing(*[ConnectionCut("Cut.")] * 2))
    assert waits == [1]


def test_a_refusal_is_raised_at_once(recorder: Any) -> None:
    waits: list[float] = []
    with pytest.raises(QuotaRefused):
        Patience(attempts=9, sleep=waits.append, observer=recorder).apply(failing(QuotaRefused("No.")))
    assert waits == []
    assert recorder.lines == []


def test_no_wait_is_longer_than_half_a_minute(recorder: Any) -> None:
    waits: list[float] = []
    Patience(attempts=9, sleep=waits.append, observer=recorder).apply(failing(*[ConnectionCut("Cut.")] * 8))
    assert max(waits) == 30


def test_a_registry_that_says_how_long_to_wait_is_given_that_time(recorder: Any) -> None:
    waits: list[float] = []
    limited = RateLimited("Slowly.", pause=45.0)
    assert Patience(attempts=3, sleep=waits.append, observer=recorder).apply(failing(limited)) == "done"
    assert waits == [45]
