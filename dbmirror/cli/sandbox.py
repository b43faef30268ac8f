"""sandbox up, down, status: a cluster to try everything on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dbmirror.cli.options import command

if TYPE_CHECKING:
    from dbmirror.cli.output import Output


@click.group("sandbox")
def sandbox_group() -> None:
    """A stand-in cluster on this machine, with its workspace: no cloud account is needed to try dbmirror."""


@sandbox_group.command("up")
@click.option("--name", default="demo", show_default=True, help="The profile and mirror that it makes.")
@click.option(
    "--packages",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Lines of NAME==VERSION to install on the driver, instead of the sandbox's own list.",
)
@click.option("--r", is_flag=True, help="Give the driver R, and R packages of every kind.")
@click.option("--spark", is_flag=True, help="Let the driver run Spark; fetches 430 MB the first time.")
@click.option("--registry", is_flag=True, help="Start a registry, too, which images go to with '--push sandbox'.")
@click.option(
    "--ca-bundle",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="PEM file of certificate authorities; else SSL_CERT_FILE, REQUESTS_CA_BUNDLE or PIP_CERT.",
)
@command
def sandbox_up_command(
    output: Output, name: str, packages: Path | None, r: bool, spark: bool, registry: bool, ca_bundle: Path | None
) -> None:
    """Start the sandbox; a sandbox that runs already is left as it is.

    \b
    Examples:
      dbmirror sandbox up && dbmirror build demo
      dbmirror sandbox up --registry && dbmirror build demo --push sandbox
    """
    from dbmirror.ca_bundle import find_ca_bundle
    from dbmirror.cli import status_tables
    from dbmirror.config import SANDBOX_REGISTRY
    from dbmirror.sandbox import lifecycle

    with output.observing() as observer:
        state = lifecycle.up(
            name=name,
            packages=packages,
            r=r,
            spark=spark,
            registry=registry,
            observer=observer,
            ca_bundle=find_ca_bundle(ca_bundle),
        )
    output.document({"sandbox": state})
    output.show(status_tables.sandbox(state))
    output.say(f"Next: dbmirror build {state.profile}" + (f" --push {SANDBOX_REGISTRY}" if state.registry else ""))


@sandbox_group.command("down")
@command
def sandbox_down_command(output: Output) -> None:
    """Stop the sandbox and remove all that it made, apart from its images (they make the next start fast).

    \b
    Example:
      dbmirror sandbox down
    """
    from dbmirror.sandbox import lifecycle

    with output.observing() as observer:
        lifecycle.down(observer)
    output.document({"sandbox": None})


@sandbox_group.command("status")
@command
def sandbox_status_command(output: Output) -> None:
    """Show what of the sandbox runs.

    \b
    Example:
      dbmirror sandbox status
    """
    from dbmirror.cli import status_tables
    from dbmirror.sandbox import lifecycle

    state = lifecycle.status()
    output.document({"sandbox": state})
    output.show("The sandbox is down." if state is None else status_tables.sandbox(state))


@sandbox_group.group("cluster")
def cluster_group() -> None:
    """Let something happen to a cluster of the sandbox, to see what dbmirror and the lab make of it."""


_which = click.option("--cluster", metavar="NAME|ID", help="A cluster of the sandbox; else the one that it started.")


@cluster_group.command("stop")
@_which
@command
def cluster_stop_command(output: Output, cluster: str | None) -> None:
    """Terminate the cluster, as its owner does.

    \b
    Example:
      dbmirror sandbox cluster stop
    """
    _happen(output, "stop", cluster)


@cluster_group.command("start")
@_which
@command
def cluster_start_command(output: Output, cluster: str | None) -> None:
    """Start the cluster: its new driver has another address and another host key.

    \b
    Example:
      dbmirror sandbox cluster start
    """
    _happen(output, "start", cluster)


@cluster_group.command("restart")
@_which
@command
def cluster_restart_command(output: Output, cluster: str | None) -> None:
    """Restart the cluster: its new driver has another address and another host key.

    \b
    Example:
      dbmirror sandbox cluster restart
    """
    _happen(output, "restart", cluster)


@cluster_group.command("break")
@_which
@command
def cluster_break_command(output: Output, cluster: str | None) -> None:
    """Lose the cluster's driver without a warning, as a cloud takes a spot instance away.

    \b
    Example:
      dbmirror sandbox cluster break
    """
    _happen(output, "break", cluster)


def _happen(output: Output, what: str, cluster: str | None) -> None:
    from dbmirror.sandbox.clusters import Happening, happen

    with output.observing() as observer:
        found = happen(Happening(what), cluster, observer=observer)
    address = found.get("driver", {}).get("private_ip")
    output.document(
        {"cluster": found["cluster_id"], "name": found["cluster_name"], "state": found["state"], "address": address}
    )
    output.show(f"{found['cluster_name']} is {found['state'].lower()}" + (f" at {address}." if address else "."))
