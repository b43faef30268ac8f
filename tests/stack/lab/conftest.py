"""The sandbox's mirror and its lab, which the tests of this folder share; each leaves it as it found it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbmirror.ca_bundle import find_ca_bundle
from dbmirror.config import load_config
from dbmirror.engine import compose
from dbmirror.lab import stack as lab_stack
from dbmirror.lab.images import fetch_files
from dbmirror.lab.paths import lab_paths, write_compose_file
from dbmirror.pipeline import stages
from dbmirror.pipeline.lab_lock import make_lab_lock
from dbmirror.pipeline.line import Wanted, prepare
from dbmirror.pipeline.mirror import Choices, Mirror
from dbmirror.sandbox import lifecycle
from tests.stack.conftest import tree
from tests.stack.lab.stack import health, keep_to_ports, own_ports, project_of, settles

SETTINGS = ["DATABRICKS_CONFIG_FILE", "DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_CONFIG_PROFILE"]


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A user's home with keys of their own, a state folder and a working folder."""
    folder = tmp_path_factory.mktemp("home")
    (folder / ".ssh").mkdir(mode=0o700)
    (folder / ".ssh" / "config").write_text("Host *\n  ServerAliveInterval 30\n")
    (folder / ".ssh" / "known_hosts").write_text("host.example ssh-ed25519 AAAA\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_CONFIG", os.environ.get("DOCKER_CONFIG") or str(Path.home() / ".docker"))
        patch.setenv("HOME", str(folder))
        patch.setenv("DBMIRROR_HOME", str(folder / "state"))
        for name in SETTINGS:
            patch.delenv(name, raising=False)
        yield folder


@pytest.fixture(scope="package")
def users_own(home: Path) -> dict[str, bytes]:
    """~/.ssh before anything ran."""
    return tree(home / ".ssh")


@pytest.fixture(scope="package")
def mirror(home: Path, users_own: dict[str, bytes]) -> Iterator[Mirror]:
    """The sandbox's mirror, built."""
    try:
        lifecycle.up(ca_bundle=find_ca_bundle())
        loaded = load_config(start=home)
        with Mirror("demo", loaded, choices=Choices(accept_host_key=True)) as opened:
            stages.build(opened, prepare(opened, Wanted()).lock)
            yield opened
    finally:
        lifecycle.down()


@pytest.fixture(scope="package")
def stack(mirror: Mirror, home: Path, users_own: dict[str, bytes]) -> Iterator[Path]:
    """The lab, started with plain `docker compose up` in the mirror's folder. ~/.ssh is as it was when all is over."""
    folder = mirror.folder
    lock = mirror.lock()
    files = stages.render_lab(mirror, lock, make_lab_lock(mirror, lock))
    write_compose_file(lab_paths(folder), files.compose)
    keep_to_ports(folder, own_ports())
    lab_stack.prepare(mirror.lab, mirror.lab_supplies())
    fetch_files(mirror.lab, files, mirror.lab_supplies())
    try:
        up = subprocess.run(
            ["docker", "compose", "up", "--detach"], cwd=folder, check=False, capture_output=True, text=True
        )
        assert up.returncode == 0, up.stderr
        assert settles(lambda: health(folder, "lab") == "healthy", 120), compose.last_logs(project_of(folder), "lab")
        assert settles(lambda: health(folder, "tunnel") == "healthy", 60), compose.last_logs(
            project_of(folder), "tunnel"
        )
        yield folder
    finally:
        subprocess.run(["docker", "compose", "down", "--volumes"], cwd=folder, check=False, capture_output=True)
    assert tree(home / ".ssh") == users_own
