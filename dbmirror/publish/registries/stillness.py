"""A push in which nothing moves: told while it lasts, and named once it is given up."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from dbmirror.progress import Observer
from dbmirror.publish.registries.errors import PushStoodStill
from dbmirror.publish.registries.events import PushProgress
from dbmirror.publish.registries.target import RegistryTarget

TOLD_AFTER = 30.0
"""Seconds in which nothing moves, before that is told."""


@contextmanager
def told(progress: PushProgress, stage: str, limit: float | None, observer: Observer) -> Iterator[None]:
    """While this is entered, the observer is warned once each time that nothing moves; `limit` is when it is given up,
    in seconds.
    """
    over = threading.Event()

    def watch() -> None:
        told_of = 0.0
        while not over.wait(min(1.0, TOLD_AFTER / 2)):
            since = progress.moved
            if since != told_of and time.monotonic() - since > TOLD_AFTER:
                told_of = since
                until = f" It is given up after {limit:g} s." if limit else ""
                observer.warn(f"{stage}: nothing has moved for {TOLD_AFTER:g} s ({_where(progress)}).{until}")

    progress.moved = time.monotonic()
    watcher = threading.Thread(target=watch, name="dbmirror-push", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def given_up(progress: PushProgress, target: RegistryTarget, seconds: float | None) -> PushStoodStill:
    """The error of a push in which nothing moved until it was given up, after `seconds`.

    The Docker Engine keeps one upload of a layer to a repository, whoever asks for it, and cannot end one to which the
    registry says nothing: the next push joins that upload, and stands still as well (Engine 26.1).
    """
    waited = f"for {seconds:g} s" if seconds else "for long"
    return PushStoodStill(
        f"The push to {target.host} stood still {waited} ({_where(progress)}), and was given up.",
        remedy="See whether the registry and the network to it are well, and push again: layers that arrived are kept. "
        "If that stands still at once, the Docker Engine still waits in the upload of before: restart it "
        "('systemctl restart docker', or Docker Desktop's Restart).",
    )


def _where(progress: PushProgress) -> str:
    return progress.last or "no layer had begun"
