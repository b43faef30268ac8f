"""A stand-in workspace whose clusters have no containers: addresses only, and no waiting."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config

from dbmirror.errors import DockerError
from dbmirror.sandbox.workspace import catalogue
from dbmirror.sandbox.workspace.api import Api
from dbmirror.sandbox.workspace.contexts import Contexts
from dbmirror.sandbox.workspace.fleet import Fleet
from dbmirror.sandbox.workspace.server import Workspace, serve

TOKEN = "dapi-of-the-test"


class Addresses:
    """Machines that are nothing but an address each, a new one at every boot."""

    def __init__(self) -> None:
        self.booted: list[tuple[str, tuple[str, ...]]] = []
        self.stopped: list[str] = []
        self.broken = False

    def boot(self, cluster_id: str, *, public_keys: Sequence[str]) -> str:
        if self.broken:
            raise DockerError("no room for another container.")
        self.booted.append((cluster_id, tuple(public_keys)))
        return f"10.0.0.{len(self.booted)}"

    def stop(self, cluster_id: str) -> None:
        self.stopped.append(cluster_id)


class Steps:
    """A pause that lasts until the test says so, or not at all."""

    def __init__(self) -> None:
        self.held = threading.Event()
        self.held.set()

    def __call__(self, _: float) -> None:
        assert self.held.wait(10)


@pytest.fixture
def machines() -> Addresses:
    return Addresses()


@pytest.fixture
def steps() -> Steps:
    return Steps()


@pytest.fixture
def fleet(machines: Addresses, steps: Steps) -> Fleet:
    return Fleet(catalogue.clusters("ssh-ed25519 AAAA", first_id="1-2-first"), machines, pause=steps)


@pytest.fixture
def contexts(fleet: Fleet) -> Iterator[Contexts]:
    """Contexts whose driver is this machine."""
    made = Contexts(fleet, lambda _, argv: argv, python=sys.executable)
    yield made
    made.close()


@pytest.fixture
def workspace(fleet: Fleet, contexts: Contexts) -> Iterator[tuple[Workspace, int]]:
    """The workspace and the port that it answers on."""
    images: list[str] = []
    workspace = Workspace(
        token=TOKEN,
        api=Api(fleet, catalogue.libraries("http://172.17.0.1:47200", "a" * 40), contexts),
        fleet=fleet,
        files={"/files/a.whl": b"a wheel"},
        image=lambda: images[-1] if images else None,
        open_with=images.append,
        stop=lambda: None,
    )
    servers = serve(workspace, addresses=["127.0.0.1"], port=0)
    yield workspace, servers[0].server_address[1]
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def client(workspace: tuple[Workspace, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkspaceClient:
    """The real SDK, with a profile as `sandbox up` writes it, and no retries that take minutes."""
    for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_CONFIG_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "databrickscfg"
    file.write_text(f"[demo]\nhost = http://127.0.0.1:{workspace[1]}\ntoken = {TOKEN}\ncluster_id = 1-2-first\n")
    return WorkspaceClient(config=Config(profile="demo", config_file=str(file), retry_timeout_seconds=5))


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, "it never came to that"
            time.sleep(0.005)

    return wait
