"""A child process from its start to its end: its pipes read within bounds, its whole group ended."""

from __future__ import annotations

import os
import selectors
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import IO, Final

from dbmirror.errors import DbmirrorError, ExitCode
from dbmirror.foreign_text.characters import shown
from dbmirror.foreign_text.redaction import without_credentials
from dbmirror.parallel import go_on

INTERRUPT_SECONDS: Final = 10.0
"""How long a child may take to end after an interrupt (BuildKit cancels its steps in that time)."""
TERMINATE_SECONDS: Final = 3.0
"""How long it may take after a terminate, before it is killed."""
DRAIN_SECONDS: Final = 2.0
"""How long output may still come after the child itself has ended: a grandchild can hold the pipe open."""
LONGEST_LINE: Final = 4 << 20
"""Bytes of a line that is handed on; BuildKit's longest event, a whole graph, has some hundred thousand."""
_PIECE: Final = 64 << 10
_LOOK: Final = 0.1
"""Seconds between two looks at whether a silent child has ended."""


class Ending(StrEnum):
    """How a call came to nothing."""

    MISSING = "not installed"
    NOT_STARTED = "not started"
    LATE = "took too long"
    TOO_MUCH = "printed too much"
    FAILED = "failed"


class ProcessFailed(DbmirrorError):
    """A child process could not be started, ended with another code than 0, took too long or printed too much.

    Exit code 2 where no room translates it: a program of this machine does not do what it should.
    """

    exit_code = ExitCode.USAGE

    def __init__(
        self, message: str, *, ending: Ending, command: str, code: int | None = None, output: str = ""
    ) -> None:
        super().__init__(message)
        self.ending = ending
        self.command = command
        """The command as one would type it, without credentials."""
        self.code = code
        """Its exit code, negative for a signal; None where it never ran or did not end by itself."""
        self.output = output
        """The last lines that it wrote to stderr, else to stdout, without credentials."""


def spawn(
    argv: Sequence[str],
    *,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    stderr: int | IO[bytes] = subprocess.STDOUT,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start `argv` in a session of its own and return at once; whoever calls ends it with `stop`, or lets it live on.

    Raises ProcessFailed where it cannot be started.
    """
    with starting(argv):
        return subprocess.Popen(
            list(argv),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=None if environment is None else dict(environment),
            cwd=folder,
            start_new_session=True,
        )


def stop(
    child: subprocess.Popen[bytes],
    *,
    interrupt_seconds: float = INTERRUPT_SECONDS,
    terminate_seconds: float = TERMINATE_SECONDS,
    before_interrupt: Callable[[], None] | None = None,
) -> None:
    """End the child's whole process group: interrupt, terminate, kill; a step of no seconds is left out.

    A second Ctrl-C goes straight to the kill.
    """
    try:
        if before_interrupt is not None:
            before_interrupt()
        for number, seconds in ((signal.SIGINT, interrupt_seconds), (signal.SIGTERM, terminate_seconds)):
            if seconds <= 0:
                continue
            signal_group(child, number)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                if child.poll() is not None and not _group_lives(child.pid):
                    return
                time.sleep(0.02)
    finally:
        signal_group(child, signal.SIGKILL)
        child.wait()
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


@contextmanager
def signals_waiting() -> Iterator[None]:
    """Inside, what would end this process waits for the end of the block.

    A signal that raised while a child is started would leave a child that nobody knows. The kernel's own mask would do,
    too, but the child would inherit it; handlers it does not inherit.
    """
    came: list[int] = []
    before = {}
    if threading.current_thread() is threading.main_thread():
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        for number in (number for number in numbers if callable(signal.getsignal(number))):
            before[number] = signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


class Late(Exception):
    """The deadline passed."""


@contextmanager
def starting(argv: Sequence[str]) -> Iterator[None]:
    """Inside, what the system says of a program that it cannot start becomes a ProcessFailed."""
    try:
        yield
    except (OSError, ValueError, IndexError) as error:
        program = argv[0] if argv else ""
        missing = isinstance(error, FileNotFoundError) and error.filename in {program, None}
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ProcessFailed(
            f"'{program}' could not be started: {reason}.",
            ending=Ending.MISSING if missing else Ending.NOT_STARTED,
            command=in_words(argv),
        ) from error


def pieces(child: subprocess.Popen[bytes], stdin: bytes, deadline: float | None) -> Iterator[tuple[str, bytes]]:
    """Each piece of output as (stream, bytes), until the child has ended and both streams, or DRAIN_SECONDS, too.

    One thread writes and reads, so that a child that prints faster than its lines are used has to wait. Raises Late.
    """
    unsent = memoryview(stdin)
    last_call: float | None = None
    with selectors.DefaultSelector() as selector:
        for name, pipe in (("stdin", child.stdin), ("stdout", child.stdout), ("stderr", child.stderr)):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                direction = selectors.EVENT_WRITE if name == "stdin" else selectors.EVENT_READ
                selector.register(pipe, direction, (name, pipe))
        while child.poll() is None or selector.get_map():
            go_on()
            now = time.monotonic()
            if deadline is not None and now > deadline:
                raise Late
            if child.poll() is not None:
                last_call = last_call or now + DRAIN_SECONDS
                if now > last_call:
                    return
            for key, _ in _ready(selector):
                name, pipe = key.data
                if name == "stdin":
                    unsent = _write(key.fd, unsent)
                    open_still = bool(unsent)
                else:
                    piece = _read(key.fd)
                    open_still = bool(piece)
                    if piece:
                        yield name, piece
                if not open_still:
                    selector.unregister(pipe)
                    pipe.close()


def _ready(selector: selectors.BaseSelector) -> list[tuple[selectors.SelectorKey, int]]:
    """The pipes that can be used now, after a short wait for one; a child may go on without any."""
    if not selector.get_map():
        time.sleep(_LOOK / 5)
        return []
    return selector.select(_LOOK)


def _write(descriptor: int, unsent: memoryview) -> memoryview:
    """What is still to be sent; nothing where the child reads no more."""
    try:
        return unsent[os.write(descriptor, unsent[:_PIECE]) :] if unsent else unsent
    except BlockingIOError:
        return unsent
    except OSError:
        return memoryview(b"")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, _PIECE)
    except OSError:
        return b""


def lines(pieces: Iterator[tuple[str, bytes]]) -> Iterator[tuple[str, str]]:
    """Each line as (stream, text) without its end; a stream's last one also where it has none."""
    begun = {"stdout": bytearray(), "stderr": bytearray()}
    for stream, piece in pieces:
        first, *whole = piece.split(b"\n")
        begun[stream] += first
        for line in whole:
            yield stream, _text(begun[stream])
            begun[stream] = bytearray(line)
        if len(begun[stream]) >= LONGEST_LINE:
            yield stream, _text(begun[stream])
            begun[stream] = bytearray()
    for stream, rest in begun.items():
        if rest:
            yield stream, _text(rest)


def _text(line: bytearray) -> str:
    return line.decode(errors="replace").rstrip("\r")


def in_words(argv: Sequence[str]) -> str:
    """The command as one would type it, without credentials and what a terminal obeys."""
    return shown(without_credentials(shlex.join(argv)))


def signal_group(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send the signal to all that the child started, unless all of it is gone."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True
