"""What a command shows: one JSON document or tables on stdout, and what happens meanwhile on stderr."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console, ConsoleOptions, RenderableType
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
from rich.segment import Segment
from rich.text import Text

from dbmirror.cli.broken_streams import silence, unwritable
from dbmirror.cli.json_documents import error_document
from dbmirror.cli.layout import Prose, prose
from dbmirror.engine.failures import BuildFailed
from dbmirror.errors import DbmirrorError, UsageError
from dbmirror.files import canonical_json
from dbmirror.foreign_text.characters import shown
from dbmirror.foreign_text.redaction import foreign_line, without_credentials
from dbmirror.progress import Observer

JSON_SCHEMA = 1
"""Version of the documents that --json prints."""
_UNBOUNDED = 200
"""Columns where stdout is no terminal: tables are then read by grep and by log viewers, which do not wrap."""
_LOG_LINES = 20
_QUIET_PERIOD = 10.0
"""Seconds between two lines about the same stage, where stderr is no terminal."""
_PROGRESS_LENGTH = 160
"""Characters of what a stage says behind its bar."""
_SHORTEST_NAME = 9
"""Columns for a stage's name at least."""
_FIGURES = 28
"""Columns of a spinner, a count (`143/143`), a time (`0:00:12`), and what keeps them apart."""


class SafeConsole(Console):
    """A console whose texts cannot command the terminal, wherever they came from; its own colours still do."""

    def __init__(self, *, stderr: bool = False) -> None:
        terminal = (sys.stderr if stderr else sys.stdout).isatty()
        super().__init__(stderr=stderr, width=None if terminal else _UNBOUNDED, highlight=False, emoji=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of `renderable`, without what a terminal would obey."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(shown(segment.text), segment.style)

    def print(self, *objects: Any, **named: Any) -> None:
        """Print `objects`. What cannot be said on stderr (a full disk) stays unsaid, and the work goes on."""
        try:
            super().print(*objects, **named)
        except OSError:
            if not self.stderr:
                raise
            self.on_broken_pipe()

    def on_broken_pipe(self) -> None:
        """Nobody reads on (`| head`): print no more, and let the command's own exit code stand."""
        self.quiet = True
        silence(self.file)


class Output:
    """Everything that one command prints."""

    def __init__(self, command: str, *, as_json: bool) -> None:
        self.command = command
        self.as_json = as_json
        self._document: dict[str, Any] = {}
        self.stdout = SafeConsole()
        self.stderr = SafeConsole(stderr=True)
        self._progress: Progress | None = None
        # What libraries say of their retries and logins would stand between our lines; our own messages say what came
        # of them.
        for name in ("azure", "databricks", "docker", "msal", "urllib3"):
            logging.getLogger(name).addHandler(logging.NullHandler())

    def document(self, body: Mapping[str, Any]) -> None:
        """What the command's one JSON document holds, which `flush` prints."""
        self._document |= body

    def flush(self) -> None:
        """Print the JSON document, if --json asks for it: one, also where an error came after the result."""
        if self.as_json:
            document = {"schema": JSON_SCHEMA, "command": self.command, **self._document}
            with self._writing():
                click.echo(canonical_json(document, otherwise=str), nl=False)

    def show(self, renderable: RenderableType) -> None:
        """Print a result for people, unless --json asks for a document. A string is plain, never markup.

        Raises UsageError, as `flush` does, where stdout cannot be written (a full disk).
        """
        if not self.as_json:
            with self._writing():
                # An id that is longer than a line is not cut.
                self.stdout.print(_in_words(renderable), crop=False)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """What is inside prints to stdout."""
        try:
            yield
        except BrokenPipeError:
            self.stdout.on_broken_pipe()
        except OSError as error:
            self.stdout.on_broken_pipe()
            self.as_json = False
            raise UsageError(
                unwritable("What was found", error),
                remedy="See that there is room where stdout leads to.",
            ) from error

    def say(self, text: str) -> None:
        """Print a line about the work to stderr. `text` is plain, never markup."""
        self._tell(without_credentials(text))

    def error(self, error: DbmirrorError) -> None:
        """Print `error` with its remedy, a failed build after the end of its log; with --json also as the document."""
        if isinstance(error, BuildFailed):
            for line in error.log[-_LOG_LINES:]:
                self.stderr.print(f"[dim]  | {escape(without_credentials(line))}[/]", soft_wrap=True)
        self._tell(without_credentials(error.message), mark="error:", style="bold red")
        if error.remedy:
            self._tell(without_credentials(error.remedy), mark="      ")
        self.document({"error": error_document(error)})

    def warn(self, text: str) -> None:
        """Print what the user should look at to stderr. `text` is plain, never markup."""
        self._tell(without_credentials(text), mark="warning:", style="yellow")

    def _tell(self, text: str, *, mark: str = "", style: str = "") -> None:
        self.stderr.print(Prose(Text.assemble((mark, style), " " if mark else "", text)), crop=False)

    @contextmanager
    def observing(self) -> Iterator[Observer]:
        """An observer that shows progress on stderr: bars on a terminal, else a line now and then."""
        if not self.stderr.is_terminal:
            yield _Lines(self)
            return
        progress = Progress(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn(f"{{task.description:<{_SHORTEST_NAME}}}"),
            BarColumn(bar_width=_bar_width(self.stderr)),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[text]}[/]"),
            console=self.stderr,
        )
        with progress:
            self._progress = progress
            try:
                yield _Bars(self, progress)
            finally:
                self._progress = None

    def confirm(self, question: str) -> bool:
        """Ask a yes-or-no question. The answer is no unless the user says yes; without a terminal it is no."""
        if not sys.stdin.isatty():
            return False
        with self._paused():
            return click.confirm(shown(question), default=False, err=True)

    def choose(self, table: RenderableType, question: str, answers: Sequence[str]) -> str | None:
        """Show `table` and ask for one of `answers`; None where an empty line, or anything else, is answered."""
        with self._paused():
            self.stderr.print(table)
            given = click.prompt(shown(question), default="", show_default=False, err=True)
        return str(given).strip() if str(given).strip() in answers else None

    @contextmanager
    def _paused(self) -> Iterator[None]:
        """No progress is drawn inside, so that a question can be asked."""
        if self._progress is None:
            yield
            return
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()


class _Notes(Observer):
    """What both observers do with notes and warnings."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.lock = threading.Lock()

    def note(self, text: str) -> None:
        self.output.say(text)

    def warn(self, text: str) -> None:
        self.output.warn(text)


class _Bars(_Notes):
    """A bar for each stage."""

    def __init__(self, output: Output, progress: Progress) -> None:
        super().__init__(output)
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
        return escape(foreign_line(text, max(min(room, _PROGRESS_LENGTH), 1)))


class _Lines(_Notes):
    """A line when a stage begins, every ten seconds while it moves, and when it ends."""

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        self.said: dict[str, float] = {}
        self.began: dict[str, float] = {}
        self.done: dict[str, int] = {}
        self.totals: dict[str, int | None] = {}

    def started(self, stage: str, *, total: int | None = None) -> None:
        with self.lock:
            self.began[stage] = self.said[stage] = time.monotonic()
            self.done[stage] = 0
            self.totals[stage] = total
        self.output.say(f"{stage}: started" + (f" ({total} steps)" if total else ""))

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
        self.output.say(f"{stage}: {count}{foreign_line(text, _PROGRESS_LENGTH)}")

    def finished(self, stage: str, text: str = "") -> None:
        seconds = time.monotonic() - self.began.get(stage, time.monotonic())
        self.output.say(
            f"{stage}: done in {seconds:.1f} s" + (f", {foreign_line(text, _PROGRESS_LENGTH)}" if text else "")
        )


def _in_words(renderable: RenderableType) -> RenderableType:
    """What is shown, its lines ending between words."""
    if isinstance(renderable, str):
        return prose(renderable)
    return Prose(renderable) if isinstance(renderable, Text) else renderable


def _bar_width(console: Console) -> int:
    return 24 if console.width >= 100 else 10
