"""doctor: what is missing on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dbmirror.cli.options import command, config_option
from dbmirror.errors import DifferenceFound

if TYPE_CHECKING:
    from dbmirror.cli.output import Output
    from dbmirror.doctor.machine import Check


@click.command("doctor")
@click.option("--online", is_flag=True, help="Also try each workspace, index, git host, registry and proxy.")
@config_option
@command
def doctor_command(output: Output, online: bool, config_file: Path | None) -> None:
    """Say what is missing on this machine, and the command that mends it. Changes nothing.

    \b
    Examples:
      dbmirror doctor
      dbmirror doctor --online
    """
    from dbmirror.cli import status_tables
    from dbmirror.config import load_config
    from dbmirror.doctor.machine import examine

    loaded = load_config(config_file)
    checks = tuple(examine(loaded))
    tried: tuple[Check, ...] = ()
    if online:
        from dbmirror.doctor.online import try_each

        tried = tuple(try_each(loaded))
        checks += tried
    output.document({"checks": checks})
    output.show(status_tables.checks(checks))
    missing = [check.name for check in checks if check.needed and not check.ok]
    if missing:
        raise DifferenceFound(f"The main job needs what is missing here: {', '.join(missing)}.")
    failed = [check.name for check in tried if not check.ok]
    if failed:
        raise DifferenceFound(f"This cannot be reached or used: {', '.join(failed)}.")
