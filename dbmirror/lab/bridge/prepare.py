"""Prepares the bridge of a lab: running where the way to the driver begins with a ProxyCommand, and else not."""

from __future__ import annotations

import os
import secrets
import shlex
from pathlib import PurePath
from typing import Final

from dbmirror.errors import DbmirrorError
from dbmirror.hosts.ssh_config import PROXY_SECONDS, Route
from dbmirror.lab.bridge import process
from dbmirror.lab.bridge.files import BridgeFiles, Order, bridge_files, make_folder
from dbmirror.lab.model import Lab, Supplies
from dbmirror.lab.paths import lab_paths
from dbmirror.lab_containers.tunnel.settings import LONGEST_BRIDGE

_LEAST_SECONDS: Final = 30


def prepare_bridge(lab: Lab, supplies: Supplies, route: Route, *, shares_kernel: bool) -> dict[str, str]:
    """Start the bridge where `route` needs one, else end the one that is there; what the tunnel has to know of it.

    Warns where it cannot be started: JupyterLab is of use without the driver.
    """
    files = bridge_files(lab_paths(lab.folder))
    command = route.hops[0].proxy_command
    folder = {"DBMIRROR_BRIDGE": str(make_folder(files))}
    if command is None:
        process.stop(files)
        return {**folder, "DBMIRROR_BRIDGE_SECONDS": "", "DBMIRROR_BRIDGE_STARTS": ""}
    _start(lab, supplies, files, over_tcp=not shares_kernel)
    seconds = round(route.seconds(PROXY_SECONDS))
    return {
        **folder,
        "DBMIRROR_BRIDGE_SECONDS": str(min(max(seconds, _LEAST_SECONDS), LONGEST_BRIDGE)),
        "DBMIRROR_BRIDGE_STARTS": "yes" if may_start_cluster(command) else "",
    }


def _start(lab: Lab, supplies: Supplies, files: BridgeFiles, *, over_tcp: bool) -> None:
    order = Order(
        token=secrets.token_hex(32),
        mirror=lab.mirror,
        over_tcp=over_tcp,
        cluster=supplies.cluster,
        host=lab.ssh.host,
        port=lab.ssh.port,
        user=lab.ssh.user,
        profile=supplies.profile,
        agent=os.environ.get("SSH_AUTH_SOCK") or None,
    )
    try:
        process.ensure(files, order)
    except DbmirrorError as error:
        lab.observer.warn(f"The tunnel cannot reach the driver: {error.of_mirror(lab.mirror)}")


def may_start_cluster(command: str) -> bool:
    """Whether this ProxyCommand starts a cluster that does not run, which costs money: the Databricks CLI's does."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    program = PurePath(words[0].replace("\\", "/")).name if words else ""
    return program in {"databricks", "databricks.exe"} and "--auto-start-cluster=false" not in words
