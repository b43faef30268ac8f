"""The workspace's own process: `python -m dbmirror.sandbox.workspace FOLDER`, started by `dbmirror sandbox up`."""

from __future__ import annotations

import signal
import sys
import threading
import time
from pathlib import Path

import msgspec

from dbmirror.engine.docker import client
from dbmirror.sandbox.driver.containers import DriverContainers, remove_containers
from dbmirror.sandbox.driver.image import published
from dbmirror.sandbox.driver.repository import metrics
from dbmirror.sandbox.network import ensure_network
from dbmirror.sandbox.workspace import catalogue
from dbmirror.sandbox.workspace.api import Api
from dbmirror.sandbox.workspace.contexts import Contexts
from dbmirror.sandbox.workspace.fleet import Fleet
from dbmirror.sandbox.workspace.process import Settings, read_settings
from dbmirror.sandbox.workspace.server import Workspace, serve

_SETTLING = 2.0
"""Seconds for which libraries are on their way after a start: long enough to be seen, short enough to wait for."""


def main() -> int:
    """Serve until told to stop, until the folder's settings go or change, or until the lifetime is over."""
    folder = Path(sys.argv[1])
    settings = read_settings(folder)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    deadline = time.monotonic() + settings.lifetime
    # A little longer than one boot may take: an engine that hangs must not hang the workspace for ever.
    connected = client(timeout=90)
    remove_containers(connected, settings.instance)
    network = ensure_network(connected, settings.instance)
    machines = DriverContainers(connected, instance=settings.instance, network=network.name, subnet=network.subnet)
    fleet = Fleet(catalogue.clusters(settings.public_key, first_id=settings.cluster_id), machines)

    def open_with(image: str) -> None:
        machines.image = image

    contexts = Contexts(fleet, machines.on_driver)
    libraries = catalogue.libraries(settings.files_url, metrics().commit, r=settings.r)
    workspace = Workspace(
        token=settings.token,
        api=Api(fleet, libraries, contexts, settling=_SETTLING),
        fleet=fleet,
        files=published(r=settings.r),
        image=lambda: machines.image,
        open_with=open_with,
        stop=ended.set,
    )
    servers = serve(workspace, addresses=settings.addresses, port=settings.port)
    try:
        while not ended.wait(0.5) and time.monotonic() < deadline and _unchanged(folder, settings):
            pass
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
        contexts.close()
        fleet.close()
    return 0


def _unchanged(folder: Path, settings: Settings) -> bool:
    try:
        return read_settings(folder) == settings
    except (OSError, msgspec.DecodeError):
        return False


if __name__ == "__main__":
    sys.exit(main())
