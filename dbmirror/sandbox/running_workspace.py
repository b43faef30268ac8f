"""The process of the stand-in workspace, started where none answers as it should."""

from __future__ import annotations

import secrets
from contextlib import suppress

import docker
import msgspec

from dbmirror.folders import sandbox_folder
from dbmirror.progress import Observer
from dbmirror.sandbox import profile
from dbmirror.sandbox.errors import WorkspaceNotAnswering
from dbmirror.sandbox.host_keys import forget_host_key
from dbmirror.sandbox.network import build_gateway, ensure_network
from dbmirror.sandbox.state import instance, read_record
from dbmirror.sandbox.workspace import process


def ensure_workspace(
    connected: docker.DockerClient, name: str, first_id: str, *, r: bool, observer: Observer
) -> tuple[process.Settings, str | None]:
    """The settings of the workspace, which answers, and the image that its cluster was opened with, if it was."""
    folder = sandbox_folder()
    _, public_key = profile.ensure_key(name)
    network = ensure_network(connected, instance())
    addresses = ("127.0.0.1", build_gateway(connected), network.gateway)
    try:
        settings = process.read_settings(folder)
        known = process.ask(settings.port, settings.token, "state", timeout=5)
    except (OSError, msgspec.DecodeError, WorkspaceNotAnswering):
        pass
    else:
        if (settings.addresses, settings.public_key, settings.r) == (addresses, public_key, r):
            return settings, known["image"]
        if known["image"] is not None:
            why = "" if settings.r == r else f" {'with' if r else 'without'} R"
            observer.warn(
                f"The sandbox's cluster {settings.cluster_id} ends: another one{why}, with an id of its own, takes its "
                "place."
            )
        process.stop(folder, settings.port, settings.token)
    if record := read_record():
        forget_host_key(record.cluster_id)
    # A driver that is made anew has a new key, also where one of the same id was lost without `down`.
    forget_host_key(first_id)
    taken: list[int] = []
    while True:
        port = process.free_port(addresses, but=taken)
        settings = process.Settings(
            instance=instance(),
            token="dapi" + secrets.token_hex(16),
            public_key=public_key,
            cluster_id=first_id,
            addresses=addresses,
            port=port,
            files_url=f"http://{addresses[1]}:{port}",
            r=r,
        )
        try:
            process.start(folder, settings)
        except process.PortTaken:
            # Another sandbox that starts at this moment, or an outgoing connection.
            taken.append(port)
        else:
            return settings, None


def stop_workspace() -> None:
    """End the workspace's process, where there is one."""
    with suppress(OSError, msgspec.DecodeError):
        settings = process.read_settings(sandbox_folder())
        process.stop(sandbox_folder(), settings.port, settings.token)
