"""What a command shows: one JSON document or tables on stdout, and what happens meanwhile on stderr."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.progress import Progress
from rich.segment import Segment
from rich.text import Text

from dbmirror.cli.broken_streams import silence, unwritable
from dbmirror.cli.json_documents import error_document
from dbmirror.cli.layout import Prose, prose
from dbmirror.cli.progress_display import as_bars, as_lines, bars
from dbmirror.engine.failures import BuildFailed
from dbmirror.errors import DbmirrorError, UsageError
from dbmirror.files import canonical_json
from dbmirror.foreign_text.characters import shown
from dbmirror.foreign_text.redaction import without_credentials
from dbmirror.progress import Observer

JSON_SCHEMA = 1
"""Version of the documents that --json prints."""
_UNBOUNDED = 200
"""Columns where stdout is no terminal: tables are then read by grep and by log viewers, which do not wrap."""
_LOG_LINES = 20


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

    def show_as_it_is(self, text: str) -> None:
        """Print a text of ours that is to be copied: no line of it is broken. Raises UsageError as `show` does."""
        if not self.as_json:
            with self._writing():
                click.echo(text, nl=False)

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
            yield as_lines(say=self.say, warn=self.warn)
            return
        with bars(self.stderr) as progress:
            self._progress = progress
            try:
                yield as_bars(progress, say=self.say, warn=self.warn)
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


def _in_words(renderable: RenderableType) -> RenderableType:
    """What is shown, its lines ending between words."""
    if isinstance(renderable, str):
        return prose(renderable)
    return Prose(renderable) if isinstance(renderable, Text) else renderable
