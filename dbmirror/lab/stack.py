"""A mirror's lab: its files, its images, its start and its end. What a lab command does, without the printing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from dbmirror.engine import compose
from dbmirror.engine.compose import StackFailed
from dbmirror.engine.compose_project import require_own
from dbmirror.hosts.driver import DRIVER_PORT, DRIVER_USER
from dbmirror.lab.bridge import process as bridge_process
from dbmirror.lab.bridge.files import bridge_files
from dbmirror.lab.images import build_images
from dbmirror.lab.missing_kernels import missing_kernels
from dbmirror.lab.model import Lab, Supplies
from dbmirror.lab.paths import lab_paths, write_compose_file
from dbmirror.lab.preparation import prepare, settle_ports
from dbmirror.lab.status import LabStatus, require_started, status, tunnel_state
from dbmirror.lab.tokens import forget_workspace_token
from dbmirror.lock.lab import LabLock
from dbmirror.lock.mirror_lock import MirrorLock
from dbmirror.mirror_folder.files import is_file_below, is_folder_below, write_below
from dbmirror.mirror_folder.names import COMPOSE, GITIGNORE, NOT_COMMITTED
from dbmirror.render.lab import LabFiles, LabSettings, render_lab

STAGE: Final = "lab"
LAB_SECONDS: Final = 180.0
"""How long JupyterLab may take until it answers."""
TUNNEL_SECONDS: Final = 30.0
"""How long `up` waits for the tunnel to say where it stands: the lab is of use without it."""
_SETTLED: Final = frozenset({"connected", "auth-failed", "host-key-changed", "cluster-down"})


def render_files(lab: Lab, lock: MirrorLock, *, image: str, cluster: str, lab_lock: LabLock | None = None) -> LabFiles:
    """The lab's committed files, written to the mirror's folder: compose.yaml, lab/, tunnel/, notebooks/.

    The notebooks are the user's: where that folder is there already, nothing is written to it.
    """
    files = render_lab(
        lock.python,
        image=image,
        lab_lock=lab_lock,
        settings=LabSettings(
            mirror=lab.mirror,
            cluster=cluster,
            host=lab.ssh.host,
            port=lab.ssh.port or DRIVER_PORT,
            user=lab.ssh.user or DRIVER_USER,
            forwards=lab.settings.forwards,
            networks=lab.settings.networks,
            spark_remote=lab.settings.spark_remote,
            memory=lab.settings.memory,
            processes=lab.settings.processes,
        ),
    )
    folder = lab.folder
    files.lab.write(folder / "lab")
    files.tunnel.write(folder / "tunnel")
    write_below(folder, {COMPOSE: files.compose})
    if not is_file_below(folder, GITIGNORE):
        write_below(folder, {GITIGNORE: NOT_COMMITTED})
    if not is_folder_below(folder, "notebooks"):
        files.examples.write(folder / "notebooks")
    return files


def up(lab: Lab, files: LabFiles, supplies: Supplies) -> LabStatus:
    """Prepare, build and start the lab that `files` were rendered for; returns when JupyterLab answers.

    The mirror's own image has to be in the engine.

    Raises StackFailed where it does not answer within LAB_SECONDS. A tunnel that is not connected is no error.
    """
    compose.require_compose()
    observer, folder = lab.observer, lab.folder
    project = lab_paths(folder).project
    require_own(project)
    write_compose_file(lab_paths(folder), files.compose)
    prepare(lab, supplies)
    build_images(lab, files, supplies)
    settle_ports(lab)
    observer.started(STAGE)
    before = tunnel_state(folder)
    # The user's own `--scale engine=4` stays in force: compose would go back to the number in the file, which is none.
    engines = sum(service.name == "engine" for service in compose.services(project))
    compose.up(project, scale={"engine": engines}, on_line=lambda line: observer.advanced(STAGE, line, steps=0))
    if before is not None and before.get("state") == "auth-failed":
        # The tunnel took its keys over when it started.
        compose.restart(project, "tunnel")
    _await_lab(lab)
    for sentence in missing_kernels(folder):
        observer.warn(sentence)
    _await_tunnel(folder)
    found = status(lab)
    observer.finished(STAGE, found.url or "")
    return found


def down(lab: Lab) -> None:
    """Stop the lab and remove its containers, network and volume, and the workspace's token from this machine.

    Notebooks, images, settings and JupyterLab's own token stay.
    """
    require_started(lab)
    lab.observer.started(STAGE)
    where = lab_paths(lab.folder)
    compose.down(where.project, on_line=lambda line: lab.observer.advanced(STAGE, line, steps=0))
    bridge_process.stop(bridge_files(where))
    forget_workspace_token(where)
    lab.observer.finished(STAGE, "stopped; the notebooks stay")


def _await_lab(lab: Lab) -> None:
    project, deadline = lab_paths(lab.folder).project, time.monotonic() + LAB_SECONDS
    while time.monotonic() < deadline:
        jupyter = next((service for service in compose.services(project) if service.name == "lab"), None)
        if jupyter is not None and jupyter.health == "healthy":
            return
        if jupyter is None or jupyter.state in {"exited", "dead", "restarting"}:
            break
        time.sleep(0.5)
    said = compose.last_logs(project, "lab").strip().splitlines()[-1:] or ["it said nothing"]
    raise StackFailed(
        f"JupyterLab did not start: {said[0]}", remedy=f"'dbmirror lab logs {lab.mirror}' shows all it said."
    )


def _await_tunnel(folder: Path) -> None:
    deadline = time.monotonic() + TUNNEL_SECONDS
    while time.monotonic() < deadline:
        found = tunnel_state(folder)
        if found is not None and found.get("state") in _SETTLED:
            return
        time.sleep(0.5)
