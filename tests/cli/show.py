"""A program with one command that does all that commands do: the tests of the output call it or run it."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import click

from dbmirror.cli import Commands
from dbmirror.cli.options import command
from dbmirror.cli.output import Output
from dbmirror.errors import DbmirrorError, DockerError, RemoteError, UsageError

FAILURES = (
    *("usage", "remote", "docker", "defect", "interrupt", "interrupt-in-wait", "abort", "mishap"),
    *("full", "read-only"),
)


@click.command("show")
@click.option(
    "--fail",
    type=click.Choice(
        [
            "usage",
            "remote",
            "docker",
            "defect",
            "interrupt",
            "interrupt-in-wait",
            "abort",
            "mishap",
            "full",
            "read-only",
        ]
    ),
)
@click.option("--text", default="")
@command
def show(output: Output, fail: str | None, text: str) -> None:
    """Show."""
    with output.observing() as observer:
        observer.started("work", total=2)
        observer.advanced("work", "one [red]of[/red] two")
        observer.warn("a [bold]warning[/bold]")
        observer.finished("work", text or "all of it")
    output.document({"answer": 42})
    output.show("the answer is 42")
    if text:
        from dbmirror.cli.layout import table

        output.show(text)
        output.show(table("NAME", rows=[[text]]))
        output.say(text)
    errors: dict[str, type[DbmirrorError]] = {"usage": UsageError, "remote": RemoteError, "docker": DockerError}
    if fail in errors:
        raise errors[fail](f"It went wrong{text and ': '}{text}.", remedy="Do it right.")
    if fail == "interrupt":
        raise KeyboardInterrupt
    if fail == "interrupt-in-wait":
        condition = threading.Condition(threading.Lock())
        with condition:
            # As wait() does while it waits: a signal may come before the lock is taken again.
            condition.release()
            raise KeyboardInterrupt
    if fail == "mishap":
        try:
            raise KeyboardInterrupt
        finally:
            raise FileNotFoundError
    if fail == "full":
        Path("/dev/full").write_text("x")
    if fail == "read-only":
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "/srv/mirrors/prod/lab")
    if fail == "abort":
        raise click.Abort
    if fail == "defect":
        raise ZeroDivisionError


class Program(Commands):
    """The edge of dbmirror around that one command."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return ["show"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return show if cmd_name == "show" else None


if __name__ == "__main__":
    Program(name="dbmirror")()
