"""Runs a program on the driver for a notebook context, and hands its output over in pieces that are asked for.

Sent as one command to the context, whose Python keeps it. The other commands call `start`, `piece` and `stop`. A piece
that was cut on its way is asked for again, smaller: its bytes are kept until the next one is asked for. A program that
prints faster than pieces are asked for waits at its pipe, so that the driver never holds more than one piece.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import threading
import zlib
from contextlib import suppress

from dbmirror.hosts.sent.unprivileged import become_user

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LARGEST_STDERR = 1 << 12
LARGEST_RATIO = 8
"""How many bytes a piece may unpack to, for each byte of it."""

ENDING_WITH_US = '(read -r _; kill -KILL -$$) <"/proc/self/fd/$0" >/dev/null 2>&1 & exec "$@"'
"""A shell that becomes the program, beside one that ends it when the context's Python is gone and can no longer."""

RUNS: dict[str, Run] = {}
"""By the mark that the other side gave each: a command that is delivered twice starts nothing twice."""


class Run:
    """One program, and what it printed that is not acknowledged yet."""

    def __init__(self, argv: list[str], stdin: bytes, seconds: float) -> None:
        lifeline, self._lifeline = os.pipe()
        self.process = subprocess.Popen(
            ["sh", "-c", ENDING_WITH_US, str(lifeline), *argv],
            pass_fds=[lifeline],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            start_new_session=True,
            preexec_fn=become_user,  # noqa: PLW1509 - the context's own threads hold no lock that the child needs
        )
        os.close(lifeline)
        self._pipes: tuple[Any, Any, Any] = (self.process.stdin, self.process.stdout, self.process.stderr)
        self.begin = 0
        self.held = b""
        self.ended = False
        self.stderr = b""
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        threading.Thread(target=self._feed, args=(stdin,), daemon=True).start()
        # Whoever asked may be gone by then.
        self._end = threading.Timer(seconds, self.kill)
        self._end.daemon = True
        self._end.start()

    def _feed(self, stdin: bytes) -> None:
        try:
            self._pipes[0].write(stdin)
            self._pipes[0].close()
        except OSError:
            # It ended without reading all of it.
            pass

    def _listen(self) -> None:
        while True:
            said = os.read(self._pipes[2].fileno(), LARGEST_STDERR)
            if not said:
                return
            self.stderr = (self.stderr + said)[-LARGEST_STDERR:]

    def read_on(self, offset: int, size: int) -> None:
        """Hold `size` bytes from `offset` on, or all that is left."""
        if offset < self.begin or offset > self.begin + len(self.held):
            raise ValueError("these bytes were handed over already")
        self.held = self.held[offset - self.begin :]
        self.begin = offset
        pieces, length = [self.held], len(self.held)
        while length < size and not self.ended:
            piece = os.read(self._pipes[1].fileno(), min(size - length, 1 << 20))
            self.ended = not piece
            pieces.append(piece)
            length += len(piece)
        self.held = b"".join(pieces)

    def kill(self) -> None:
        """End the program with all that it started."""
        with suppress(OSError):
            os.killpg(self.process.pid, 9)

    def finish(self) -> int:
        """Its exit status, 128 + N for signal N, once its output is at an end."""
        code = self.process.wait()
        self._end.cancel()
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        self._listener.join(1)
        return code if code >= 0 else 128 - code


def start(mark: str, argv: list[str], stdin: str, seconds: float) -> None:
    """Start `argv` with `stdin` (base64 over zlib); it is killed after `seconds`. What ran before ends."""
    if mark not in RUNS:
        for other in list(RUNS):
            stop(other)
        RUNS[mark] = Run(argv, zlib.decompress(base64.b64decode(stdin)), seconds)


def piece(mark: str, offset: int, letters: int) -> None:
    """Print the output from `offset` on, as much as fits in `letters` of base64, with its length and SHA-256."""
    run = RUNS[mark]
    room = letters * 3 // 4
    run.read_on(offset, room * LARGEST_RATIO)
    size = len(run.held)
    packed = zlib.compress(run.held, 1)
    while len(packed) > room:
        # What cannot be compressed grows by some bytes.
        size = min(size * room // len(packed), size - 1)
        packed = zlib.compress(run.held[:size], 1)
    content = run.held[:size]
    header = {"offset": offset, "length": size, "sha256": hashlib.sha256(content).hexdigest(), "letters": 0}
    text = base64.b64encode(packed).decode("ascii")
    header["letters"] = len(text)
    if run.ended and size == len(run.held):
        header["code"] = run.finish()
        header["stderr"] = base64.b64encode(run.stderr).decode("ascii")
    print("\ndbmirror-piece " + mark + " " + json.dumps(header) + "\n" + text + "\ndbmirror-piece-end " + mark)


def stop(mark: str) -> None:
    """End the program, if it still runs, and forget it."""
    run = RUNS.pop(mark, None)
    if run is not None:
        run.kill()
        run.finish()
