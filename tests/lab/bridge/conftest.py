"""A lab's bridge on this machine, a stand-in for the Databricks CLI, and a tunnel to a real sshd through both."""

from __future__ import annotations

import getpass
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dbmirror.lab.bridge import process
from dbmirror.lab.bridge.files import BridgeFiles, Order, make_folder
from dbmirror.lab_containers.tunnel.settings import Settings
from tests.databricks_cli import Databricks
from tests.lab_containers.conftest import CLUSTER, Sshd, settings, sshd  # noqa: F401 - fixtures

ALIAS = "demo-ssh"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    (folder / ".ssh").mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("SHELL", "/bin/sh")
    return folder


@pytest.fixture
def databricks(tmp_path: Path, home: Path, sshd: Sshd) -> Databricks:  # noqa: F811
    """The CLI, and the alias of it that `databricks ssh setup` writes to the user's ssh config."""
    made = Databricks.make(tmp_path / "cli", cluster=CLUSTER, driver=("127.0.0.1", sshd.port))
    (home / ".ssh" / "config").write_text(
        f"Host {ALIAS}\n  User {getpass.getuser()}\n  IdentityFile {sshd.key}\n"
        f"  ProxyCommand {made.program} ssh connect --proxy --cluster={CLUSTER} --profile demo\n"
    )
    return made


@pytest.fixture
def files() -> Iterator[BridgeFiles]:
    """A lab's private folder, under a name that is short enough for a Unix socket."""
    folder = Path(tempfile.mkdtemp(prefix="b"))
    made = BridgeFiles(folder)
    make_folder(made)
    yield made
    process.stop(made)
    shutil.rmtree(folder)


@pytest.fixture
def order() -> Order:
    return Order(token="t" * 64, mirror="demo", over_tcp=False, cluster=CLUSTER, host=ALIAS)


@pytest.fixture
def bridge(files: BridgeFiles, order: Order, databricks: Databricks) -> BridgeFiles:
    """It runs."""
    process.ensure(files, order)
    return files


@pytest.fixture
def through(settings: Settings, bridge: BridgeFiles) -> Settings:  # noqa: F811
    """The tunnel's settings: the way to the driver is the bridge alone."""
    return replace(settings, bridge=bridge.folder, bridge_seconds=30, host=ALIAS, fixed_host=ALIAS, port=22)
