"""The progress of a command on stderr: bars on a terminal, else a line now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from dbmirror.foreign_text.redaction import foreign_line
from dbmirror.progress import Observer

_QUIET_PERIOD = 10.0
"""Seconds between two lines about the same stage, where stderr is no terminal."""
_LONGEST_TEXT = 160
"""Characters of what a stage says behind its bar."""
_SHORTEST_NAME = 9
"""Columns for a stage's name at least."""
_FIGURES = 28
"""Columns of a spinner, a count (`143/143`), a time (`0:00:12`), and what keeps them apart."""


def bars(console: Console) -> Progress:
    """The bars of a command, on `console`."""
    return Progress(
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn(f"{{task.description:<{_SHORTEST_NAME}}}"),
        BarColumn(bar_width=_bar_width(console)),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[text]}[/]"),
        console=console,
    )


def as_bars(progress: Progress, *, say: Callable[[str], None], warn: Callable[[str], None]) -> Observer:
    """An observer that moves a bar of `progress` for each stage, and prints notes with `say`, warnings with `warn`."""
    return _Bars(say, warn, progress)


def as_lines(*, say: Callable[[str], None], warn: Callable[[str], None]) -> Observer:
    """An observer that prints a line when a stage begins, every ten seconds while it moves, and when it ends."""
    return _Lines(say, warn)


class _Notes(Observer):
    """What both observers do with notes and warnings: they print a line with `say` or `warn`."""

    def __init__(self, say: Callable[[str], None], warn: Callable[[str], None]) -> None:
        self._say, self._warn = say, warn
        self.lock = threading.Lock()

    def note(self, text: str) -> None:
        self._say(text)

    def warn(self, text: str) -> None:
        self._warn(text)


class _Bars(_Notes):
    """A bar for each stage."""

    def __init__(self, say: Callable[[str], None], warn: Callable[[str], None], progress: Progress) -> None:
        super().__init__(say, warn)
        self.progress = progress
        self.tasks: dict[str, TaskID] = {}

    def started(self, stage: str, *, total: int | None = None) -> None:
        with self.lock:
            if stage in self.tasks:
                self.progress.update(self.tasks[stage], total=total or None)
            else:
                self.tasks[stage] = self.progress.add_task(escape(stage), total=total or None, text="")

    def advanced(self, stage: str, text: str = "", *, steps: int = 1) -> None:
        if stage not in self.tasks:
            self.started(stage)
        with self.lock:
            task = self._task(stage)
            done = task.completed + steps
            # A stage can have more steps than it knew of when it began.
            total = None if task.total is None else max(task.total, done)
            self.progress.update(task.id, completed=done, total=total, text=self._beside(text))

    def finished(self, stage: str, text: str = "") -> None:
        if stage not in self.tasks:
            self.started(stage)
        with self.lock:
            task = self._task(stage)
            total = task.total if task.total is not None else max(task.completed, 1)
            self.progress.update(task.id, total=total, completed=total, text=self._beside(text))

    def _task(self, stage: str) -> Task:
        return next(task for task in self.progress.tasks if task.id == self.tasks[stage])

    def _beside(self, text: str) -> str:
        """What a stage says, as far as the line has room for it: the stages' names stay whole."""
        names = max((len(stage) for stage in self.tasks), default=0)
        room = self.progress.console.width - max(names, _SHORTEST_NAME) - _bar_width(self.progress.console) - _FIGURES
        return escape(foreign_line(text, max(min(room, _LONGEST_TEXT), 1)))


class _Lines(_Notes):
    """A line when a stage begins, every ten seconds while it moves, and when it ends."""

    def __init__(self, say: Callable[[str], None], warn: Callable[[str], None]) -> None:
        super().__init__(say, warn)
        self.said: dict[str, float] = {}
        self.began: dict[str, float] = {}
        self.done: dict[str, int] = {}
        self.totals: dict[str, int | None] = {}

    def started(self, stage: str, *, total: int | None = None) -> None:
        with self.lock:
            self.began[stage] = self.said[stage] = time.monotonic()
            self.done[stage] = 0
            self.totals[stage] = total
        self._say(f"{stage}: started" + (f" ({total} steps)" if total else ""))

    def advanced(self, stage: str, text: str = "", *, steps: int = 1) -> None:
        with self.lock:
            self.done[stage] = self.done.get(stage, 0) + steps
            now = time.monotonic()
            if now - self.said.get(stage, 0.0) < _QUIET_PERIOD:
                return
            self.said[stage] = now
            total = self.totals.get(stage)
            total = max(total, self.done[stage]) if total else total
            count = f"{self.done[stage]}/{total} " if total else ""
        self._say(f"{stage}: {count}{foreign_line(text, _LONGEST_TEXT)}")

    def finished(self, stage: str, text: str = "") -> None:
        seconds = time.monotonic() - self.began.get(stage, time.monotonic())
        self._say(f"{stage}: done in {seconds:.1f} s" + (f", {foreign_line(text, _LONGEST_TEXT)}" if text else ""))


def _bar_width(console: Console) -> int:
    return 24 if console.width >= 100 else 10
