"""profiles, clusters: which workspaces can be reached, and which of their clusters can be mirrored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dbmirror.cli.options import command, config_option

if TYPE_CHECKING:
    from dbmirror.cli.output import Output


@click.command("profiles")
@command
def profiles_command(output: Output) -> None:
    """List the workspaces that you can reach, and whether their SSH key exists.

    \b
    Example:
      dbmirror profiles
    """
    from dbmirror.cli.layout import table
    from dbmirror.workspace.profiles import list_profiles

    found = list_profiles()
    output.document({"profiles": found})
    if not found:
        output.say(
            "There is no profile yet: 'databricks auth login --profile NAME' makes one, or 'dbmirror sandbox up'."
        )
        return
    rows = (
        (p.name, p.host or "-", p.auth, "yes" if p.has_ssh_key else f"no ({p.ssh_key})", str(p.file)) for p in found
    )
    output.show(table("PROFILE", "HOST", "LOGIN", "SSH KEY", "FILE", rows=rows))


@click.command("clusters")
@click.argument("profile")
@config_option
@command
def clusters_command(output: Output, profile: str, config_file: Path | None) -> None:
    """List the clusters that can be mirrored, and for the others of the profile's workspace why not.

    \b
    Example:
      dbmirror clusters demo
    """
    from dbmirror.cli import status_tables
    from dbmirror.cli.session import opened

    with opened(output, profile, config_file) as mirror:
        found = mirror.access.clusters
    output.document({"profile": profile, "clusters": found})
    output.show(status_tables.clusters(found))
