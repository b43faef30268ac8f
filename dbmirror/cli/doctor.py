"""doctor: what is missing on this machine."""

from __future__ import annotations

from pathlib import Path

import click
from rich.text import Text

from dbmirror.cli import tables
from dbmirror.cli.options import command, config_option
from dbmirror.cli.output import Output
from dbmirror.config import load_config
from dbmirror.doctor import Check, examine
from dbmirror.errors import DifferenceFound


@click.command("doctor", short_help="Say what is missing on this machine.")
@config_option
@command
def doctor_command(output: Output, config_file: Path | None) -> None:
    """Say what is missing on this machine, and the command that mends it. Changes nothing.

    \b
    Example:
      dbmirror doctor
    """
    checks = tuple(examine(load_config(config_file)))
    output.document({"checks": checks})
    output.show(tables.table("", "WHAT", "FOUND", "MEND IT WITH", rows=map(_row, checks)))
    missing = [check.name for check in checks if check.needed and not check.ok]
    if missing:
        raise DifferenceFound(f"The main job needs what is missing here: {', '.join(missing)}.")


def _row(check: Check) -> tuple[str | Text, ...]:
    mark = Text("ok", style="green") if check.ok else Text("missing", style="red" if check.needed else "yellow")
    return mark, check.name, check.found, check.remedy
