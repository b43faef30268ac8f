"""The verbs, one small module a family: the only code that prints or prompts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any

import click

from dbmirror import __version__
from dbmirror.cli import broken_streams, interruption
from dbmirror.cli.verbs import VERBS
from dbmirror.errors import MEANINGS, ExitCode

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_AS_JSON = "dbmirror.json"
_NEVER_MEANT = frozenset({"--start"})
"""Not offered in place of a mistyped option: it costs money."""


class _UsageDocument(click.ClickException):
    """A mistake of usage under --json: the same document as for every other error, and its message."""

    exit_code = ExitCode.USAGE

    def __init__(self, error: click.UsageError) -> None:
        super().__init__(error.format_message())
        self.path = error.ctx.command_path if error.ctx else "dbmirror"

    def show(self, file: IO[Any] | None = None) -> None:
        from dbmirror.cli.output import Output
        from dbmirror.errors import UsageError

        output = Output(" ".join(self.path.split()[1:]), as_json=True)
        output.error(UsageError(self.message, remedy=f"'{self.path} --help' says what it takes."))
        output.flush()


@contextmanager
def _told(*, as_json: bool) -> Iterator[None]:
    try:
        yield
    except click.UsageError as error:
        said = _without_costs(error) if isinstance(error, click.NoSuchOption) else error
        if as_json:
            raise _UsageDocument(said) from error
        raise said from None


def _without_costs(error: click.NoSuchOption) -> click.NoSuchOption:
    meant = [each for each in error.possibilities or () if each not in _NEVER_MEANT]
    return click.NoSuchOption(error.option_name, message=error.message, possibilities=meant, ctx=error.ctx)


class Commands(click.Group):
    """Imports a command when it is called: what the commands need takes seconds to import."""

    def main(self, *arguments: Any, **named: Any) -> Any:
        """Run the command line, on three streams that can be written."""
        broken_streams.open_missing_streams()
        try:
            with interruption.signals_heard():
                return super().main(*arguments, **named)
        except OSError as error:
            if not broken_streams.caused(error):
                raise
            # A help page or the version: what commands find is printed by Output, which says so itself.
            broken_streams.silence()
            click.echo(f"error: {broken_streams.unwritable('The help', error)}", err=True)
            raise SystemExit(ExitCode.USAGE) from None

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """The context of the whole command line, which knows whether documents are wanted."""
        as_json = _asks_for_json(args)
        with _told(as_json=as_json):
            context = super().make_context(info_name, args, parent, **extra)
        context.meta[_AS_JSON] = as_json
        return context

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands, in the order in which a user meets them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, out of its module."""
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        module, _, attribute = verb.place.partition(":")
        found = getattr(import_module(f"dbmirror.cli.{module}"), attribute)
        assert isinstance(found, click.Command)  # noqa: S101 - the table of verbs is wrong otherwise
        found.short_help = verb.summary
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the overview from the table of verbs, which imports none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.summary) for name, verb in VERBS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """What a TAB offers in place of `incomplete`: verbs, from their table, and options."""
        from click.shell_completion import CompletionItem

        verbs = [CompletionItem(name, help=v.summary) for name, v in VERBS.items() if name.startswith(incomplete)]
        return [*verbs, *click.Command.shell_complete(self, ctx, incomplete)]

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that the context speaks of."""
        try:
            with _told(as_json=ctx.meta.get(_AS_JSON, False)):
                return super().invoke(ctx)
        except (KeyboardInterrupt, RuntimeError) as error:
            if not interruption.caused(error):
                raise
            # While a command's module was loaded, or at a question; click itself would end with 1, a found difference.
            with suppress(OSError):
                # A closed terminal takes no more words.
                click.echo(interruption.message(), err=True)
            raise SystemExit(interruption.exit_code()) from None


def _asks_for_json(arguments: Sequence[str]) -> bool:
    """Whether --json is among the options, wherever it stands: what is wrong may well be the order of things."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in options


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=f"Exit codes: {', '.join(f'{code:d} {MEANINGS[code]}' for code in ExitCode)}.",
)
@click.version_option(__version__, prog_name="dbmirror")
def main() -> None:
    """Rebuild a Databricks cluster as a container image: every package at exactly its version, or the reason why not.

    MIRROR is a [mirrors.MIRROR] section of dbmirror.toml, or else a Databricks profile of that name.

    \b
    Try it without a cloud account:
      dbmirror sandbox up
      dbmirror build demo
    """
