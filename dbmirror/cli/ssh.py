"""ssh setup, test, repin: the key that opens a cluster's driver, and the driver's pinned host key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dbmirror.cli.options import cluster_option, command, config_option, dry_run_option, mirror_argument, ssh_options
from dbmirror.errors import UsageError

if TYPE_CHECKING:
    from dbmirror.cli.output import Output
    from dbmirror.workspace.mirrorable import ClusterSummary


@click.group("ssh")
def ssh_group() -> None:
    """SSH keys and pinned host keys: the key of a profile, and the keys of drivers."""


@ssh_group.command("setup")
@mirror_argument
@config_option
@click.option("--yes", is_flag=True, help="Do not ask: the cluster restarts if it runs.")
@cluster_option
@dry_run_option
@command
def ssh_setup_command(
    output: Output, name: str, config_file: Path | None, yes: bool, cluster: str | None, dry_run: bool
) -> None:
    """Make the key ~/.ssh/id_PROFILE if there is none, and put its public half on the cluster.

    This is the one command that changes a cluster's configuration. Where the key is missing it asks first, for a
    cluster that runs restarts, and waits until it runs again.

    \b
    Example:
      dbmirror ssh setup demo
    """
    from dbmirror.cli.session import opened
    from dbmirror.folders import known_hosts_file, ssh_key_of
    from dbmirror.hosts.driver import DRIVER_PORT, DRIVER_USER
    from dbmirror.hosts.known_hosts import KnownHosts
    from dbmirror.workspace.clusters import read
    from dbmirror.workspace.ssh_entry import include_line, not_running, ssh_entry, write_ssh_entry
    from dbmirror.workspace.ssh_keys import ensure_key, has_key, install, read_public_key
    from dbmirror.workspace.start_cluster import await_restart

    with opened(output, name, config_file, cluster=cluster) as mirror:
        found, w = mirror.access.cluster_for_key, mirror.access.workspace
        what = f"{found.cluster_name} ({found.cluster_id})"
        key = mirror.section.ssh.identity_file or ssh_key_of(mirror.access.profile)
        if dry_run and not key.is_file():
            output.say(f"Would make the key {key} and put it on {what}{_restart(found)}.")
            output.document({"mirror": mirror.name, "key": key, "changed": False})
            return
        if mirror.section.ssh.identity_file is None:
            key = ensure_key(mirror.access.profile)
        public = read_public_key(key)
        changed = not has_key(w, found.cluster_id, public)
        if dry_run:
            said = f"Would put {key}.pub on {what}{_restart(found)}." if changed else f"{what} has {key}.pub already."
            output.say(said)
            output.document({"mirror": mirror.name, "key": key, "changed": False})
            return
        state = read(w, found.cluster_id)
        if changed:
            if not (yes or output.confirm(f"Put {key}.pub on {what}{_restart(found)}?")):
                raise UsageError(
                    "Nothing was changed on the cluster.",
                    remedy=f"To go on without a question: dbmirror ssh setup {mirror.name} --yes",
                )
            install(w, found.cluster_id, public)
            if not found.needs_start:
                state = await_restart(w, found.cluster_id, before=state.started_at, observer=mirror.observer)
                # The driver that the pin is of is gone, by our own order: the next one is met as a new one.
                KnownHosts(known_hosts_file()).forget(found.cluster_id)
        entry = ssh_entry(
            mirror.name,
            cluster_id=found.cluster_id,
            address=mirror.section.ssh.host or state.driver_address or not_running(mirror.name),
            port=mirror.section.ssh.port or DRIVER_PORT,
            user=mirror.section.ssh.user or DRIVER_USER,
            identity_file=key,
            known_hosts=known_hosts_file(),
        )
        write_ssh_entry(mirror.name, entry)
    output.document({"mirror": mirror.name, "key": key, "changed": changed})
    output.say("The key is on the cluster." if changed else "The cluster has that key already: nothing was changed.")
    output.say(f"For plain 'ssh {mirror.name}' put this line at the top of ~/.ssh/config: {include_line()}")
    if found.needs_start:
        output.say(f"The cluster is {found.state.lower()}. Once it runs: dbmirror ssh test {mirror.name}")
        return
    if changed:
        output.say("Its driver is a new one since the restart: the test shows the new host key and asks.")
    output.say(f"Next: dbmirror ssh test {mirror.name}")


def _restart(cluster: ClusterSummary) -> str:
    """What becomes of the cluster."""
    return f", which is {cluster.state.lower()} and stays so" if cluster.needs_start else ", and restart it"


@ssh_group.command("test")
@mirror_argument
@config_option
@ssh_options
@command
def ssh_test_command(output: Output, name: str, config_file: Path | None, **options: Any) -> None:
    """Log in to the driver and run `true` there.

    \b
    Example:
      dbmirror ssh test demo
    """
    from dbmirror.cli.session import opened
    from dbmirror.lab.pins import hand_pin_to_tunnel

    with opened(output, name, config_file, **options) as mirror:
        host = mirror.access.ssh.name
        code = mirror.access.ssh.run(["true"]).code
        hand_pin_to_tunnel(mirror.folder, mirror.access.cluster.cluster.cluster_id)
    output.document({"mirror": name, "host": host, "code": code})
    output.show(f"{host}: logged in.")


@ssh_group.command("repin")
@mirror_argument
@config_option
@ssh_options
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
    from dbmirror.lab.pins import hand_pin_to_tunnel

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
        hand_pin_to_tunnel(mirror.folder, alias)
    output.document({"mirror": name, "cluster": alias, "before": before, "now": str(key.fingerprint(alias))})
    output.show(f"{cluster.cluster.cluster_name}: the present host key is pinned.")
