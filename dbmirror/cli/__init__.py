"""The verbs, one small module a family: the only code that prints or prompts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import IO, Any

import click

from dbmirror import __version__
from dbmirror.cli import interruption
from dbmirror.cli.streams import open_missing_streams

COMMANDS = {
    "build": "build:build_command",
    "profiles": "workspace:profiles_command",
    "clusters": "workspace:clusters_command",
    "ssh": "workspace:ssh_group",
    "snapshot": "mirror:snapshot_command",
    "filter": "filters:filter_group",
    "explain": "filters:explain_command",
    "lock": "mirror:lock_command",
    "render": "mirror:render_command",
    "verify": "mirror:verify_command",
    "push": "build:push_command",
    "diff": "compare:diff_command",
    "check": "compare:check_command",
    "lab": "lab:lab_group",
    "ci": "ci:ci_command",
    "sandbox": "sandbox:sandbox_group",
    "doctor": "doctor:doctor_command",
}
"""The commands in the order in which a user meets them, and where each is: modules are loaded when they are needed."""


_AS_JSON = "dbmirror.json"


class _UsageDocument(click.ClickException):
    """A mistake of usage under --json: the same document as for every other error, and its message."""

    exit_code = click.UsageError.exit_code

    def __init__(self, error: click.UsageError) -> None:
        super().__init__(error.format_message())
        self.path = error.ctx.command_path if error.ctx else "dbmirror"

    def show(self, file: IO[Any] | None = None) -> None:
        from dbmirror.cli.output import Output  # noqa: PLC0415 - loaded when it is needed, as the commands are
        from dbmirror.errors import UsageError  # noqa: PLC0415

        output = Output(" ".join(self.path.split()[1:]), as_json=True)
        output.error(UsageError(self.message, remedy=f"'{self.path} --help' says what it takes."))
        output.flush()


@contextmanager
def _told(*, as_json: bool) -> Iterator[None]:
    try:
        yield
    except click.UsageError as error:
        if as_json:
            raise _UsageDocument(error) from error
        raise


class Commands(click.Group):
    """Loads a command when it is called: the Databricks SDK alone takes most of a second to import."""

    def main(self, *arguments: Any, **named: Any) -> Any:
        """Run the command line, on three streams that can be written."""
        open_missing_streams()
        with interruption.signals_heard():
            return super().main(*arguments, **named)

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
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, out of its module."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        found = getattr(import_module(f"dbmirror.cli.{module}"), attribute)
        assert isinstance(found, click.Command)  # noqa: S101 - the table above is wrong otherwise
        return found

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


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="dbmirror")
def main() -> None:
    """Rebuild a Databricks cluster as a container image: every package at exactly its version, or the reason why not.

    MIRROR is a [mirrors.MIRROR] section of dbmirror.toml, or else a Databricks profile of that name.

    \b
    Try it without a cloud account:
      dbmirror sandbox up
      dbmirror build demo

    Exit codes: 0 done, 1 a check found a difference, 2 usage or configuration, 3 the remote side failed
    (workspace, driver, index, registry), 4 Docker failed.
    """
