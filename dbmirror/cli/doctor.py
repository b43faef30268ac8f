"""doctor: what is missing on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dbmirror.cli.options import command, config_option
from dbmirror.errors import DifferenceFound

if TYPE_CHECKING:
    from dbmirror.cli.output import Output


@click.command("doctor")
@config_option
@command
def doctor_command(output: Output, config_file: Path | None) -> None:
    """Say what is missing on this machine, and the command that mends it. Changes nothing.

    \b
    Example:
      dbmirror doctor
    """
    from dbmirror.cli import status_tables
    from dbmirror.config import load_config
    from dbmirror.doctor import examine

    checks = tuple(examine(load_config(config_file)))
    output.document({"checks": checks})
    output.show(status_tables.checks(checks))
    missing = [check.name for check in checks if check.needed and not check.ok]
    if missing:
        raise DifferenceFound(f"The main job needs what is missing here: {', '.join(missing)}.")
