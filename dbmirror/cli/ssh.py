"""ssh setup, test, repin: the key that opens a cluster's driver, and the driver's pinned host key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dbmirror.cli.options import command, config_option, driver_options, dry_run_option
from dbmirror.errors import UsageError

if TYPE_CHECKING:
    from dbmirror.cli.output import Output


@click.group("ssh")
def ssh_group() -> None:
    """SSH keys and pinned host keys: the key of a profile, and the keys of drivers."""


@ssh_group.command("setup")
@click.argument("name", metavar="MIRROR")
@config_option
@click.option("--yes", is_flag=True, help="Do not ask: the cluster restarts if it runs.")
@dry_run_option
@command
def ssh_setup_command(output: Output, name: str, config_file: Path | None, yes: bool, dry_run: bool) -> None:
    """Make the key ~/.ssh/id_PROFILE if there is none, and put its public half on the cluster.

    This is the one command that changes a cluster's configuration. It asks first, for the cluster restarts.

    \b
    Example:
      dbmirror ssh setup demo
    """
    from dbmirror.cli.session import opened
    from dbmirror.folders import known_hosts_file
    from dbmirror.hosts.driver import DRIVER_PORT, DRIVER_USER
    from dbmirror.workspace.clusters import read
    from dbmirror.workspace.profiles import ssh_key_of
    from dbmirror.workspace.ssh_entry import include_line, ssh_entry, write_ssh_entry
    from dbmirror.workspace.ssh_keys import ensure_key, install, read_public_key

    with opened(output, name, config_file) as mirror:
        cluster = mirror.access.summary
        key = mirror.section.ssh.identity_file or ssh_key_of(mirror.access.profile)
        if dry_run:
            output.say(
                f"Would put {key}.pub on {cluster.cluster_name} ({cluster.cluster_id}), and restart it if it runs."
            )
            output.document({"mirror": name, "key": key, "changed": False})
            return
        if mirror.section.ssh.identity_file is None:
            key = ensure_key(mirror.access.profile)
        question = f"Put {key}.pub on {cluster.cluster_name} ({cluster.cluster_id})? If it runs, it restarts."
        if not (yes or output.confirm(question)):
            raise UsageError("Nothing was changed on the cluster.", remedy="Add --yes to go on without a question.")
        changed = install(mirror.access.workspace, cluster.cluster_id, read_public_key(key))
        address = mirror.section.ssh.host or read(mirror.access.workspace, cluster.cluster_id).driver_address
        if address:
            entry = ssh_entry(
                name,
                cluster_id=cluster.cluster_id,
                address=address,
                port=mirror.section.ssh.port or DRIVER_PORT,
                user=mirror.section.ssh.user or DRIVER_USER,
                identity_file=key,
                known_hosts=known_hosts_file(),
            )
            write_ssh_entry(name, entry)
    output.document({"mirror": name, "key": key, "changed": changed})
    output.say("The key is on the cluster." if changed else "The cluster has that key already.")
    if address:
        output.say(f"For plain 'ssh {name}' put this line at the top of ~/.ssh/config: {include_line()}")
    output.say(f"Next: dbmirror ssh test {name}")


@ssh_group.command("test")
@click.argument("name", metavar="MIRROR")
@config_option
@driver_options
@command
def ssh_test_command(output: Output, name: str, config_file: Path | None, **options: Any) -> None:
    """Log in to the driver and run `true` there.

    \b
    Example:
      dbmirror ssh test demo
    """
    from dbmirror.cli.session import opened
    from dbmirror.lab.files import publish_pin

    with opened(output, name, config_file, **options) as mirror:
        host = mirror.access.driver.name
        code = mirror.access.driver.run(["true"]).code
        publish_pin(mirror.folder, mirror.access.cluster.cluster.cluster_id)
    output.document({"mirror": name, "host": host, "code": code})
    output.show(f"{host}: logged in.")


@ssh_group.command("repin")
@click.argument("name", metavar="MIRROR")
@config_option
@driver_options
@command
def ssh_repin_command(output: Output, name: str, config_file: Path | None, **options: Any) -> None:
    """Show the host key that the driver presents now, and pin it in place of the old one. Asks first.

    Do this when you know why the key changed: a cluster that was restarted has a new driver.

    \b
    Example:
      dbmirror ssh repin demo
    """
    from dbmirror.cli.session import opened
    from dbmirror.folders import known_hosts_file
    from dbmirror.hosts.known_hosts import KnownHosts
    from dbmirror.hosts.ssh import read_host_key
    from dbmirror.lab.files import publish_pin

    accepted = bool(options["accept_host_key"])
    with opened(output, name, config_file, **options) as mirror:
        target, cluster = mirror.access.target, mirror.access.cluster
        key = read_host_key(target, observer=mirror.observer)
        known = KnownHosts(known_hosts_file())
        alias = cluster.cluster.cluster_id
        before = tuple(str(old.fingerprint(alias)) for old in known.keys(alias))
        output.say(f"Pinned until now: {', '.join(before) or 'none'}")
        output.say(f"Presented now:    {key.fingerprint(alias)}  (the cluster started last at {cluster.started_at})")
        if not (accepted or output.confirm("Pin the new key?")):
            raise UsageError("The pinned key stays.", remedy="Add --accept-host-key to go on without a question.")
        known.repin(alias, key)
        publish_pin(mirror.folder, alias)
    output.document({"mirror": name, "cluster": alias, "before": before, "now": str(key.fingerprint(alias))})
    output.show(f"{cluster.cluster.cluster_name}: the present host key is pinned.")
