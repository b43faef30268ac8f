"""Every call of another program: what it prints is bounded, it ends in time, and nothing is left of it.

`run` hands on its output line by line, `capture` gives it as bytes, `hand_over` gives it the terminal; `child` has
what lives longer than one call. The errors are neutral: each room says in its own what they mean there.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dbmirror.foreign_text.characters import last_line, shown
from dbmirror.foreign_text.redaction import without_credentials
from dbmirror.processes.child import (
    INTERRUPT_SECONDS,
    TERMINATE_SECONDS,
    Ending,
    Late,
    ProcessFailed,
    in_words,
    lines,
    pieces,
    signal_group,
    signals_waiting,
    starting,
    stop,
)

__all__ = ["Captured", "Ending", "Finished", "ProcessFailed", "capture", "hand_over", "run"]

KEPT_LINES: Final = 40
"""How many of the last lines of a stream an error and a result hold."""
LONGEST_KEPT_LINE: Final = 64 << 10
"""Characters of each of them: the state of the lab's tunnel, the longest that is read from one, has some hundred."""
LARGEST_OUTPUT: Final = 64 << 20
"""Bytes that `capture` keeps of a stream. A collector's answer, the largest there is, has some megabytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A child process that ended, whose lines were handed on."""

    code: int
    stdout: str
    """The last KEPT_LINES lines."""
    stderr: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """A child process that ended; its output may be secret, and so its repr does not show it."""

    code: int
    """Negative for a signal."""
    stdout: bytes = field(repr=False)
    stderr: bytes = field(repr=False)


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

    A line that is longer than LONGEST_LINE comes in pieces. `environment` is the child's whole environment (default:
    this process's). The child leads a process group of its own: on a signal that ends this process, on `timeout`
    (seconds), on any error in a callback, and where a call of `side_by_side` is to end, the whole group is interrupted,
    then terminated after `interrupt_seconds`, then killed after `terminate_seconds`, before the exception goes on.
    `before_interrupt` is called first, for a child that must not be interrupted at any moment.
    Raises ProcessFailed where it cannot be started, takes longer than `timeout`, or (with `check`) fails.
    """
    started = time.monotonic()
    tails = {"stdout": deque[str](maxlen=KEPT_LINES), "stderr": deque[str](maxlen=KEPT_LINES)}
    callbacks = {"stdout": on_stdout, "stderr": on_stderr}
    child = None
    try:
        with signals_waiting():
            child = _piped(argv, environment=environment, folder=folder, new_session=False, stdin=False)
        for stream, line in lines(pieces(child, b"", None if timeout is None else started + timeout)):
            tails[stream].append(line[:LONGEST_KEPT_LINE])
            if (callback := callbacks[stream]) is not None:
                callback(line)
        code = child.wait()
    except BaseException as error:
        if child is not None:
            stop(
                child,
                interrupt_seconds=interrupt_seconds,
                terminate_seconds=terminate_seconds,
                before_interrupt=before_interrupt,
            )
        if isinstance(error, Late):
            raise _late(argv, timeout or 0.0) from None
        raise
    kept = {stream: "\n".join(lines) for stream, lines in tails.items()}
    if check and code != 0:
        raise _failed(argv, code, kept["stderr"] or kept["stdout"])
    return Finished(code=code, seconds=time.monotonic() - started, **kept)


def capture(
    argv: Sequence[str],
    *,
    timeout: float,
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    check: bool = False,
    limit: int = LARGEST_OUTPUT,
    stop_seconds: float = TERMINATE_SECONDS,
    whole_group: bool = False,
) -> Captured:
    """Run `argv` with `stdin` for at most `timeout` seconds, and give what it printed: at most `limit` bytes a stream.

    It has no terminal that it could ask at. What takes longer or prints more is terminated with all that it started,
    and killed after `stop_seconds`, as it is on a signal; with `whole_group` what it leaves running ends, too.
    Raises ProcessFailed where it cannot be started, is stopped so, or (with `check`) fails.
    """
    child = None
    try:
        with signals_waiting():
            child = _piped(argv, environment=environment, folder=folder, new_session=True, stdin=True)
        kept = _collected(argv, pieces(child, stdin, time.monotonic() + timeout), limit)
        code = child.wait()
    except BaseException as error:
        if child is not None:
            stop(child, interrupt_seconds=0.0, terminate_seconds=stop_seconds)
        if isinstance(error, Late):
            raise _late(argv, timeout) from None
        raise
    if whole_group:
        signal_group(child, signal.SIGKILL)
    captured = Captured(code=code, stdout=bytes(kept["stdout"]), stderr=bytes(kept["stderr"]))
    if check and code != 0:
        raise _failed(argv, code, (captured.stderr or captured.stdout)[-LONGEST_KEPT_LINE:].decode(errors="replace"))
    return captured


def hand_over(argv: Sequence[str], *, environment: Mapping[str, str] | None = None) -> int:
    """Run `argv` on this process's own terminal, in its process group, as a shell would; its exit code.

    Ctrl-C reaches it from the terminal; on any other end of the wait it is killed. Raises ProcessFailed where it
    cannot be started.
    """
    with starting(argv):
        return subprocess.run(
            list(argv), env=None if environment is None else dict(environment), check=False
        ).returncode


def _piped(
    argv: Sequence[str], *, environment: Mapping[str, str] | None, folder: Path | None, new_session: bool, stdin: bool
) -> subprocess.Popen[bytes]:
    with starting(argv):
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=None if environment is None else dict(environment),
            cwd=folder,
            start_new_session=new_session,
            process_group=None if new_session else 0,
        )


def _collected(argv: Sequence[str], output: Iterator[tuple[str, bytes]], limit: int) -> dict[str, bytearray]:
    """All of both streams. Raises ProcessFailed where one is too long."""
    kept = {"stdout": bytearray(), "stderr": bytearray()}
    for stream, piece in output:
        kept[stream] += piece
        if len(kept[stream]) > limit:
            raise ProcessFailed(
                f"'{argv[0]}' printed more than {limit} bytes and was stopped.",
                ending=Ending.TOO_MUCH,
                command=in_words(argv),
            )
    return kept


def _late(argv: Sequence[str], timeout: float) -> ProcessFailed:
    command = in_words(argv)
    return ProcessFailed(
        f"'{command}' took longer than {timeout:.0f} s and was stopped.", ending=Ending.LATE, command=command
    )


def _failed(argv: Sequence[str], code: int, said: str) -> ProcessFailed:
    command, output = in_words(argv), shown(without_credentials(said))
    return ProcessFailed(
        f"'{command}' failed with exit code {code}: {last_line(output) or 'it said nothing'}.",
        ending=Ending.FAILED,
        command=command,
        code=code,
        output=output,
    )
