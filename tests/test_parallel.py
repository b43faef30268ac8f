"""Waiting for calls that run side by side."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Any

import pytest

from dbmirror.parallel import as_ended, go_on, side_by_side
from dbmirror.processes.programs import run

Wait = Callable[[Iterable["Future[None]"]], Iterator["Future[None]"]]


def test_calls_come_in_the_order_in_which_they_end_and_those_that_had_ended_first() -> None:
    first, second, early = Future[str](), Future[str](), Future[str]()
    early.set_result("early")
    waiting = as_ended([second, first, early])
    assert next(waiting) is early
    first.set_exception(ValueError("first"))
    assert next(waiting) is first
    second.cancel()
    assert next(waiting) is second
    assert next(waiting, None) is None


def test_it_waits_for_calls_that_still_run() -> None:
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(time.sleep, seconds) for seconds in (0.3, 0.1, 0.2)]
        assert [futures.index(ended) for ended in as_ended(futures)] == [1, 2, 0]


def test_what_calls_give_is_given_by_what_they_were_called_with() -> None:
    assert side_by_side(len, ["a", "bcd", ""], workers=2, name="test") == {"a": 1, "bcd": 3, "": 0}


def _while_another_call_fails(work: Callable[[], None], *, once: Callable[[], bool] = lambda: True) -> float:
    """Seconds until all calls have ended: one that does `work`, and one that fails `once` that is under way."""
    began, ended = Event(), Event()

    def call(name: str) -> None:
        if name == "fails":
            assert began.wait(5)
            until = time.monotonic() + 20
            while not once() and time.monotonic() < until:
                time.sleep(0.02)
            raise ZeroDivisionError
        began.set()
        try:
            work()
        finally:
            ended.set()

    started = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        side_by_side(call, ["works", "fails"], workers=2, name="test")
    assert ended.wait(20)
    return time.monotonic() - started


def test_a_call_that_fails_ends_the_child_process_of_another(tmp_path: Path) -> None:
    pid = tmp_path / "pid"

    def work() -> None:
        run(["sh", "-c", f"echo $$ >{pid}; exec sleep 60"])

    assert _while_another_call_fails(work, once=lambda: pid.is_file() and bool(pid.read_text())) < 30
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_call_that_fails_ends_the_wait_of_another_for_calls_of_its_own() -> None:
    assert _while_another_call_fails(lambda: next(as_ended([Future[None]()])) and None) < 5


def test_a_call_that_is_ended_can_still_clear_up(tmp_path: Path) -> None:
    def work() -> None:
        try:
            while True:
                time.sleep(0.01)
                go_on()
        finally:
            run(["touch", str(tmp_path / "cleared")])

    _while_another_call_fails(work)
    assert (tmp_path / "cleared").exists()


def test_a_call_by_itself_goes_on() -> None:
    go_on()


def test_ctrl_c_at_any_moment_of_the_wait_is_a_keyboard_interrupt() -> None:
    assert _what_ctrl_c_becomes(as_ended) == {KeyboardInterrupt}


def test_the_wait_of_the_standard_library_would_not_pass_that_test() -> None:
    """Else the test above proves nothing, or the module is needed no more."""
    assert _what_ctrl_c_becomes(as_completed) == {KeyboardInterrupt, RuntimeError}


def _what_ctrl_c_becomes(wait: Wait) -> set[type[BaseException]]:
    """The kinds of error that came out of `wait`, interrupted before each line of Python that it goes through."""
    found: set[type[BaseException]] = set()
    for line in range(1000):
        raised = _interrupted(wait, line)
        if raised is None:
            return found
        found.add(type(raised))
    raise AssertionError("The wait goes through more lines than a wait should.")


def _interrupted(wait: Wait, line: int) -> BaseException | None:
    """What an interrupt before the `line`-th line of waiting for one call raised; None if it has fewer lines."""
    ended, running = Future[None](), Future[None]()
    ended.set_result(None)
    waiting = wait([ended, running])
    next(waiting)
    left = line

    def trace(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal left
        if event == "line":
            left -= 1
            if left < 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return trace

    with ThreadPoolExecutor(1) as pool:
        pool.submit(_end_later, running)
        before = sys.gettrace()
        sys.settrace(trace)
        try:
            next(waiting)
        except (KeyboardInterrupt, RuntimeError) as error:
            return error
        finally:
            sys.settrace(before)
    return None


def _end_later(future: Future[None]) -> None:
    time.sleep(0.02)
    future.set_result(None)
