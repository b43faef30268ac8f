"""filter show, explain: which rules there are, and which one decided."""

from __future__ import annotations

from pathlib import Path

import click

from dbmirror.cli import tables
from dbmirror.cli.mirror import opened
from dbmirror.cli.options import command, config_option, mirror_argument
from dbmirror.cli.output import Output
from dbmirror.config import load_config
from dbmirror.filters.lists import NAMES, load
from dbmirror.lock.errors import LockError


@click.group("filter", short_help="The whitelist and the blacklist.")
def filter_group() -> None:
    """The lists that decide which packages are mirrored."""


@filter_group.command("show")
@click.argument("name", type=click.Choice(NAMES), metavar="whitelist|blacklist")
@config_option
@command
def filter_show_command(output: Output, name: str, config_file: Path | None) -> None:
    """Show a list with the reason of every entry, your own entries of dbmirror.toml first.

    \b
    Example:
      dbmirror filter show blacklist
    """
    loaded = load_config(config_file)
    shown = load(name, loaded.config.filters, origin=str(loaded.origin or ""))
    output.document({"list": name, "entries": shown.entries})
    rows = ((entry.pattern, entry.verdict.value, entry.reason, entry.origin) for entry in shown.entries)
    output.show(tables.table("PACKAGE", "VERDICT", "REASON", "FROM", rows=rows))


@click.command("explain", short_help="Say all about one package.")
@mirror_argument
@click.argument("package")
@config_option
@click.option("--whitelist", is_flag=True, help="Explain what the whitelist would decide.")
@command
def explain_command(output: Output, mirror: str, package: str, config_file: Path | None, whitelist: bool) -> None:
    """Say all about one package of the snapshot: its rules, its copies, who requires it, and its fate.

    \b
    Example:
      dbmirror explain demo numpy
    """
    with opened(output, mirror, config_file, whitelist=whitelist) as pipeline:
        explanation = pipeline.explain(pipeline.snapshot(), package)
        try:
            fates = tuple(fate for fate in pipeline.lock().fates if fate.name == explanation.name)
        except LockError:
            fates = ()
    output.document({"mirror": mirror, "explanation": explanation, "fates": fates})
    output.show(tables.explanation(explanation, fates))
