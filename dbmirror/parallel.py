"""Waiting for calls that run side by side, so that Ctrl-C ends the wait and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")


def as_ended(futures: Iterable[Future[T]]) -> Iterator[Future[T]]:
    """Each of `futures` once it has ended, in the order in which they end; those that ended before come first.

    What `concurrent.futures.as_completed` and `Future.result` wait at is a `threading.Condition`. A signal in the
    instant in which it takes its lock back releases a lock that is not held, or that a worker holds: a RuntimeError in
    the one thread or the other, and not the KeyboardInterrupt alone (CPython 3.11: one Ctrl-C of forty while a lock's
    look-ups are waited for). A SimpleQueue waits in one call of C, at no lock that Python code would have to release.

    Raises nothing of its own: what a call raised is in its future.
    """
    waited_for = list(futures)
    ended: SimpleQueue[Future[T]] = SimpleQueue()
    for future in waited_for:
        future.add_done_callback(ended.put)
    for _ in waited_for:
        yield ended.get()
