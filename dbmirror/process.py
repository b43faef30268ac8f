"""Run a child process, hand on its output line by line, and leave nothing of it behind."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Final

from dbmirror.errors import DockerError
from dbmirror.parallel import go_on
from dbmirror.redaction import without_credentials

INTERRUPT_SECONDS: Final = 10.0
"""How long a child may take to end after an interrupt (BuildKit cancels its steps in that time)."""
TERMINATE_SECONDS: Final = 3.0
"""How long it may take after a terminate, before it is killed."""
DRAIN_SECONDS: Final = 2.0
"""How long output may still come after the child itself has ended: a grandchild can hold the pipe open."""
KEPT_LINES: Final = 40
"""How many of the last lines of a stream an error and a result hold."""
_LONGEST_LINE: Final = 1 << 22


class ProcessFailed(DockerError):
    """A child process could not be started, ended with another code than 0, or took too long."""

    def __init__(self, message: str, *, command: str, code: int | None, output: str = "", remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.command = command
        """The command as one would type it, without credentials."""
        self.code = code
        """Its exit code, negative for a signal; None where it never ran or ran out of time."""
        self.output = output
        """The last lines that it wrote to stderr, else to stdout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A child process that ended."""

    code: int
    stdout: str
    """The last KEPT_LINES lines."""
    stderr: str
    seconds: float


def run(
    argv: Sequence[str],
    *,
    on_stdout: Callable[[str], None] | None = None,
    on_stderr: Callable[[str], None] | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    check: bool = True,
    timeout: float | None = None,
    interrupt_seconds: float = INTERRUPT_SECONDS,
    terminate_seconds: float = TERMINATE_SECONDS,
    before_interrupt: Callable[[], None] | None = None,
) -> Finished:
    """Run `argv` to its end, calling `on_stdout` and `on_stderr` in this thread with each line (no line end).

    `environment` is the child's whole environment (default: this process's). The child leads a process group of its
    own: on Ctrl-C, on `timeout` (seconds), on any error in a callback, and where a call of `side_by_side` is to end,
    the whole group is interrupted, then terminated after `interrupt_seconds`, then killed after `terminate_seconds`,
    before the exception goes on.
    `before_interrupt` is called first, for a child that must not be interrupted at any moment.
    Raises ProcessFailed where it cannot be started, takes longer than `timeout`, or (with `check`) fails.
    """
    command = without_credentials(shlex.join(argv))
    started = time.monotonic()
    try:
        child = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=None if environment is None else dict(environment),
            cwd=folder,
            process_group=0,
        )
    except OSError as error:
        raise ProcessFailed(
            f"'{argv[0]}' could not be started: {error.strerror or error}.", command=command, code=None
        ) from error
    tails = {"stdout": deque[str](maxlen=KEPT_LINES), "stderr": deque[str](maxlen=KEPT_LINES)}
    callbacks = {"stdout": on_stdout, "stderr": on_stderr}
    try:
        for stream, line in _lines(child, deadline=None if timeout is None else started + timeout):
            tails[stream].append(line)
            if (callback := callbacks[stream]) is not None:
                callback(line)
        code = child.wait()
    except _Late:
        _stop(child, interrupt_seconds, terminate_seconds, before_interrupt)
        raise ProcessFailed(
            f"'{command}' took longer than {timeout:.0f} s and was stopped.", command=command, code=None
        ) from None
    except BaseException:
        _stop(child, interrupt_seconds, terminate_seconds, before_interrupt)
        raise
    finished = Finished(
        code=code,
        stdout="\n".join(tails["stdout"]),
        stderr="\n".join(tails["stderr"]),
        seconds=time.monotonic() - started,
    )
    if check and code != 0:
        output = without_credentials(finished.stderr or finished.stdout)
        last = output.strip().splitlines()[-1:] or ["it said nothing"]
        raise ProcessFailed(
            f"'{command}' failed with exit code {code}: {last[0]}.", command=command, code=code, output=output
        )
    return finished


class _Late(Exception):
    """The deadline passed."""


def _lines(child: subprocess.Popen[bytes], *, deadline: float | None) -> Iterator[tuple[str, str]]:
    """Each line of the child as (stream, text), until both streams end or, after the child, DRAIN_SECONDS passed."""
    queue: SimpleQueue[tuple[str, str] | None] = SimpleQueue()

    def read(stream: str, pipe: IO[bytes]) -> None:
        with suppress(OSError), pipe:
            while line := pipe.readline(_LONGEST_LINE):
                queue.put((stream, line.decode(errors="replace").rstrip("\r\n")))
        queue.put(None)

    pipes = [(name, pipe) for name, pipe in (("stdout", child.stdout), ("stderr", child.stderr)) if pipe is not None]
    for name, pipe in pipes:
        threading.Thread(target=read, args=(name, pipe), daemon=True).start()
    open_streams = len(pipes)
    last_call: float | None = None
    while open_streams:
        go_on()
        now = time.monotonic()
        if deadline is not None and now > deadline:
            raise _Late
        if last_call is None and child.poll() is not None:
            last_call = now + DRAIN_SECONDS
        if last_call is not None and now > last_call:
            return
        try:
            item = queue.get(timeout=0.1)
        except Empty:
            continue
        if item is None:
            open_streams -= 1
        else:
            yield item


def _stop(
    child: subprocess.Popen[bytes],
    interrupt_seconds: float,
    terminate_seconds: float,
    before_interrupt: Callable[[], None] | None,
) -> None:
    """End the child's whole process group: interrupt, terminate, kill. A second Ctrl-C goes straight to the kill."""
    try:
        if before_interrupt is not None:
            before_interrupt()
        for number, seconds in ((signal.SIGINT, interrupt_seconds), (signal.SIGTERM, terminate_seconds)):
            _signal(child, number)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                if child.poll() is not None and not _group_lives(child.pid):
                    return
                time.sleep(0.02)
    finally:
        _signal(child, signal.SIGKILL)
        child.wait()


def _signal(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True
