"""The verbs, one small module a family: the only code that prints or prompts."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from dbmirror import __version__

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


class _Commands(click.Group):
    """Loads a command when it is called: the Databricks SDK alone takes most of a second to import."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        found = getattr(import_module(f"dbmirror.cli.{module}"), attribute)
        assert isinstance(found, click.Command)  # noqa: S101 - the table above is wrong otherwise
        return found

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            # While a command's module was loaded, or at a question; click itself would end with 1, a found difference.
            click.echo("Interrupted: nothing is left half done; run the command again to go on.", err=True)
            raise SystemExit(130) from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
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
