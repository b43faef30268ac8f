"""Calls that run side by side: how Ctrl-C ends the wait for them, and one of them the others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from queue import Empty, SimpleQueue
from threading import Event
from typing import Final, TypeVar

K = TypeVar("K")
T = TypeVar("T")

_CHECKED: Final = 0.1
"""Seconds between two looks at whether the calls are to end."""
_to_end: ContextVar[Event | None] = ContextVar("to_end", default=None)
"""Set in the calls of `side_by_side`, and in all that they call in their own thread."""


class Stopped(BaseException):
    """Another call, or the user, ended the command: no error of this one, so that nothing handles it."""


def go_on() -> None:
    """Raise Stopped where this runs in a call of `side_by_side` that is to end. Once: then it can clear up."""
    if (to_end := _to_end.get()) is not None and to_end.is_set():
        _to_end.set(None)
        raise Stopped


def side_by_side(call: Callable[[K], T], over: Collection[K], *, workers: int, name: str) -> dict[K, T]:
    """What `call` gives for each of `over`, at most `workers` at a time, in threads that are called `name`.

    What a call raises is raised here at once, as is Ctrl-C. The other calls end by Stopped at their next `go_on`: at
    the border of a stage, while they wait for calls of their own, for a host, or for a child process, which is ended.
    """
    to_end = Event()

    def one(item: K) -> T:
        _to_end.set(to_end)
        go_on()
        return call(item)

    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix=name)
    try:
        futures = {item: pool.submit(copy_context().run, one, item) for item in over}
        for ended in as_ended(futures.values()):
            ended.result()
    except BaseException:
        to_end.set()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
    return {item: future.result() for item, future in futures.items()}


def as_ended(futures: Iterable[Future[T]]) -> Iterator[Future[T]]:
    """Each of `futures` once it has ended, in the order in which they end; those that ended before come first.

    What `concurrent.futures.as_completed` and `Future.result` wait at is a `threading.Condition`. A signal in the
    instant in which it takes its lock back releases a lock that is not held, or that a worker holds: a RuntimeError in
    the one thread or the other, and not the KeyboardInterrupt alone (CPython 3.11: one Ctrl-C of forty while a lock's
    look-ups are waited for). A SimpleQueue waits in one call of C, at no lock that Python code would have to release.

    Raises nothing of its own but Stopped: what a call raised is in its future.
    """
    waited_for = list(futures)
    ended: SimpleQueue[Future[T]] = SimpleQueue()
    for future in waited_for:
        future.add_done_callback(ended.put)
    for _ in waited_for:
        yield _next(ended)


def _next(ended: SimpleQueue[Future[T]]) -> Future[T]:
    if _to_end.get() is None:
        return ended.get()
    while True:
        go_on()
        try:
            return ended.get(timeout=_CHECKED)
        except Empty:
            continue
