"""What Ctrl-C, SIGTERM and SIGHUP do to a command: it clears up, says so, and ends with the signal's exit code."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import click

from dbmirror.errors import ExitCode

_HEARD: Final = (signal.SIGTERM, signal.SIGHUP)
"""Beside SIGINT, for which Python itself raises KeyboardInterrupt: what `kill`, `timeout`, a service manager and a
pipeline's runner send, and what a closed terminal sends."""

_received: Final[list[signal.Signals]] = []
"""The signal of _HEARD that ends this process, once it came."""


class Ended(KeyboardInterrupt):
    """SIGTERM or SIGHUP came: whatever clears up after Ctrl-C clears up after this."""


@contextmanager
def signals_heard() -> Iterator[None]:
    """Inside, SIGTERM and SIGHUP raise Ended in the main thread, as Ctrl-C raises KeyboardInterrupt.

    A signal that is ignored stays so (`nohup`), and one that has a handler keeps it. Outside of the main thread, where
    no handler can be set, nothing happens.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        free = [number for number in _HEARD if signal.getsignal(number) is signal.SIG_DFL]
        before = {number: signal.signal(number, _end) for number in free}
    try:
        yield
    finally:
        # After the first signal this process only ends: no further one shall make that another end.
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if _received else handler)


def message() -> str:
    """What the user reads."""
    how = f"Ended by {_received[0].name}" if _received else "Interrupted"
    return f"{how}: nothing is left half done; run the command again to go on."


def exit_code() -> ExitCode:
    """The exit code that says which signal came."""
    return ExitCode(128 + (_received[0] if _received else signal.SIGINT))


def caused(error: BaseException) -> bool:
    """Whether a signal caused `error`: it is what the signal became on its way here.

    Most are KeyboardInterrupt, or click.Abort at a question. But libraries wait at a `threading.Condition` (paramiko
    does for all that it reads), and where the signal comes in the instant in which it takes its lock back, releasing
    that lock raises a RuntimeError in place of the KeyboardInterrupt: `dbmirror.parallel` has more of it. Any other
    error that came up on the way is one of its own, and stays one: it may be why something is left half done.
    """
    on_the_way: BaseException | None = error
    while type(on_the_way) is RuntimeError:
        on_the_way = on_the_way.__context__
    return isinstance(on_the_way, (KeyboardInterrupt, click.Abort))


def _end(number: int, frame: FrameType | None) -> None:
    """Raise Ended at the first signal. A closed terminal often sends both: the second must not stop the clearing up."""
    del frame
    if not _received:
        _received.append(signal.Signals(number))
        raise Ended
