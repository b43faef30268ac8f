"""profiles, clusters: which workspaces can be reached, and which of their clusters can be mirrored."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dbmirror.cli.options import command, config_option

if TYPE_CHECKING:
    from dbmirror.cli.output import Output
    from dbmirror.workspace.profile_file import Profile


@click.command("profiles")
@click.option("--check", is_flag=True, help="Ask each workspace whether it answers and takes the login.")
@config_option
@command
def profiles_command(output: Output, check: bool, config_file: Path | None) -> None:
    """List the workspaces that you can reach, and whether their SSH key exists.

    With --check each of them is asked, all at a time; the exit code is 1 where one does not answer well.

    \b
    Examples:
      dbmirror profiles
      dbmirror profiles --check
    """
    from dbmirror.cli.layout import table
    from dbmirror.config import ConfigError, load_config
    from dbmirror.pipeline.profile_sections import keys_by_profile
    from dbmirror.workspace.profile_file import list_profiles

    try:
        keys = keys_by_profile(load_config(config_file))
    except ConfigError as error:
        # A mistake in one mirror's section says nothing against the profiles.
        output.say(f"Keys that dbmirror.toml names are not considered: {error.message}")
        keys = {}
    found = list_profiles(keys)
    if check and found:
        _show_checked(output, found, config_file)
        return
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


def _show_checked(output: Output, found: tuple[Profile, ...], config_file: Path | None) -> None:
    from dbmirror.ca_bundle import find_ca_bundle
    from dbmirror.cli.layout import table
    from dbmirror.config import load_config
    from dbmirror.errors import DifferenceFound
    from dbmirror.workspace.reachable import ask_each

    ca_bundle = find_ca_bundle(load_config(config_file).config.index.ca_bundle)
    reached = ask_each((profile.name for profile in found), ca_bundle=ca_bundle)
    output.document({"profiles": found, "checked": reached})
    rows = (
        (p.name, p.host or "-", p.auth, reached[p.name].user or f"{reached[p.name].problem} {reached[p.name].remedy}")
        for p in found
    )
    output.show(table("PROFILE", "HOST", "LOGIN", "ANSWERS", rows=rows))
    failed = [name for name, answer in reached.items() if not answer.ok]
    if failed:
        raise DifferenceFound(f"{len(failed)} of {len(reached)} profiles cannot be used now: {', '.join(failed)}.")


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
    from dbmirror.ca_bundle import find_ca_bundle
    from dbmirror.cli import cluster_tables
    from dbmirror.cli.session import questions
    from dbmirror.config import load_config
    from dbmirror.pipeline.cluster_access import ClusterAccess
    from dbmirror.pipeline.profile_sections import section_of

    loaded = load_config(config_file)
    section = section_of(profile, loaded)
    with output.observing() as observer, ExitStack() as resources:
        access = ClusterAccess(
            profile,
            section,
            start_cluster=False,
            accept_host_key=False,
            ca_bundle=lambda: find_ca_bundle(loaded.config.index.ca_bundle),
            questions=questions(output),
            observer=observer,
            resources=resources,
        )
        found = access.clusters
    output.document({"profile": profile, "clusters": found})
    output.show(cluster_tables.clusters(found))
    if not output.as_json and any(each.databricks_ssh and each.ssh_host is None for each in found):
        output.say(_databricks_ssh())


def _databricks_ssh() -> str:
    from dbmirror.workspace.official_cli import FIRST_WITH_SSH, has_databricks_ssh

    release = ".".join(map(str, FIRST_WITH_SSH))
    has = "has it" if has_databricks_ssh() else f"lacks it: it needs release {release} or newer of the Databricks CLI"
    return f"'databricks ssh setup' writes a host to ~/.ssh/config by which a cluster is reached. This machine {has}."
