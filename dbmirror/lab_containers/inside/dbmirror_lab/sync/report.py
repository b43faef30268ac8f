"""What a copy says of itself: lines of JSON on stdout, and the problems that end it."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field

MOST_NAMES = 1000
"""How many names of files a result holds at most."""
_NAMED = 3
"""How many of the files that could not be copied are named."""
_QUIET_SECONDS = 0.2


class Problem(Exception):
    """The copy did not come about; the message is one sentence, the remedy what to do."""

    def __init__(self, message: str, *, remedy: str = "", usage: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.usage = usage
        """Whether it is the command that has to change, not the driver."""


class FileProblem(Problem):
    """One file could not be copied; others still may be."""


def together(sentences: list[str], *, roots: tuple[str, str], others: bool) -> Problem:
    """One problem of those of several files, below the source's and the target's path; `others` were copied."""
    named = sentences[:_NAMED]
    if len(sentences) > _NAMED:
        named.append(f"{len(sentences) - _NAMED} more could not be copied.")
    whole = any(sentences[0].startswith(f"{root} could not") for root in roots)
    return Problem(" ".join(named), remedy="All else was copied." if others and not whole else "")


@dataclass
class Tally:
    """What was copied, or would be."""

    files: int = 0
    size: int = 0
    """Bytes of those files."""
    names: list[str] = field(default_factory=list)
    """The first MOST_NAMES of them, relative to the source folder."""
    left_out: list[str] = field(default_factory=list)
    """What is neither a file nor a folder, such as symbolic links; the first MOST_NAMES."""
    left_out_count: int = 0

    def add(self, name: str, size: int) -> None:
        """Count a file."""
        self.files += 1
        self.size += size
        if len(self.names) < MOST_NAMES:
            self.names.append(name)

    def leave_out(self, name: str) -> None:
        """Count what is not copied."""
        self.left_out_count += 1
        if len(self.left_out) < MOST_NAMES:
            self.left_out.append(name)


class Report:
    """Prints the events, each one line of JSON."""

    def __init__(self) -> None:
        self._said = 0.0

    def begin(self, *, pid: int) -> None:
        """The work starts; a signal to `pid` ends it."""
        self._print("begin", pid=pid)

    def progress(self, done: int, total: int) -> None:
        """`done` of `total` bytes are copied; said a few times a second at most."""
        now = time.monotonic()
        if now - self._said >= _QUIET_SECONDS:
            self._said = now
            self._print("progress", done=done, total=total)

    def end(self, tally: Tally, *, by: str) -> None:
        """All is copied, `by` rsync or sftp."""
        self._print("end", by=by, **vars(tally))

    def failed(self, problem: Problem) -> None:
        """The copy did not come about."""
        self._print("failed", message=problem.message, remedy=problem.remedy, usage=problem.usage)

    def _print(self, event: str, **values: object) -> None:
        # Names that are no UTF-8 are shown with a mark in place of what cannot be read.
        line = json.dumps({"event": event, **values}, ensure_ascii=False).encode("utf-8", "surrogateescape")
        sys.stdout.buffer.write(line.decode("utf-8", "replace").encode() + b"\n")
        sys.stdout.buffer.flush()
