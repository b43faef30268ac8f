"""The pin of the host key of the sandbox's driver."""

from __future__ import annotations

import docker

from dbmirror.folders import known_hosts_file, pinned_starts_file
from dbmirror.hosts.container import ContainerHost
from dbmirror.hosts.host_key import parse_public_key
from dbmirror.hosts.known_hosts import KnownHosts
from dbmirror.hosts.pinned_starts import PinnedStarts, start_mark
from dbmirror.sandbox.driver.containers import container_name
from dbmirror.sandbox.state import instance
from dbmirror.sandbox.workspace import process


def pin_host_key(connected: docker.DockerClient, settings: process.Settings) -> None:
    """Pin the key of the driver that was just made, read out of its container: no network stood in between.

    Only the first one: after a restart the driver has another, which is met as on a real one.
    """
    cluster_id, known = settings.cluster_id, KnownHosts(known_hosts_file())
    if known.keys(cluster_id):
        return
    with ContainerHost.attach(container_name(instance(), cluster_id), client=connected) as host:
        line = host.fetch("/etc/ssh/ssh_host_ed25519_key.pub").decode()
    clusters = process.ask(settings.port, settings.token, "state", timeout=5)["clusters"]
    cluster = next(each for each in clusters if each["cluster_id"] == cluster_id)
    if key := parse_public_key(line):
        known.pin(cluster_id, key)
        PinnedStarts(pinned_starts_file()).note(cluster_id, start_mark(cluster))


def forget_host_key(cluster_id: str) -> None:
    """Drop the pin of a cluster that will not come back, and the file of pins if it was the last."""
    known = KnownHosts(known_hosts_file())
    known.forget(cluster_id)
    if known.path.is_file() and not known.path.read_bytes():
        known.path.unlink()
    PinnedStarts(pinned_starts_file()).forget(cluster_id)
