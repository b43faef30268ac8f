"""A workspace on loopback that answers the real SDK with the JSON of the Clusters and Libraries API."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.clock import RealClock

from dbmirror.workspace import patience
from dbmirror.workspace.profiles import client

TOKEN = "dapi-secret-of-the-test"


@dataclass
class Workspace:
    """What the workspace holds, and what it was asked."""

    clusters: dict[str, dict[str, Any]] = field(default_factory=dict)
    libraries: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    after_start: list[dict[str, Any]] = field(default_factory=list)
    """What a cluster becomes at each look after it was started."""
    after_edit: list[dict[str, Any]] = field(default_factory=list)
    """What a running cluster becomes at each look after it was edited."""
    fail: tuple[int, dict[str, str], bytes] | None = None
    """An answer to everything: status, headers, body."""
    hiccups: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """Status and headers of the next answers, before it answers well."""
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    page: int | None = None
    """How many clusters clusters/list states at once; None for all."""
    endless: bool = False
    """Whether it always names one page more."""
    host: str = ""
    token: str = TOKEN
    """What it accepts."""

    def edits(self) -> list[Any]:
        return [body for method, path, body in self.requests if (method, path) == ("POST", "/api/2.1/clusters/edit")]


def a_cluster(cluster_id: str = "0101-120000-abcdefgh", **changes: Any) -> dict[str, Any]:
    """A running single-user cluster on Azure, as clusters/get states it."""
    return {
        "cluster_id": cluster_id,
        "creator_user_name": "somebody@example.com",
        "driver": {
            "private_ip": "10.139.64.4",
            "public_dns": "",
            "node_id": "b1a",
            "instance_id": "i-1",
            "start_timestamp": 1_763_632_800_000,
            "host_private_ip": "10.139.0.4",
        },
        "spark_context_id": 4020997813441462000,
        "driver_healthy": True,
        "jdbc_port": 10000,
        "cluster_name": "analytics",
        "spark_version": "15.4.x-scala2.12",
        "spark_conf": {"spark.databricks.unityCatalog.volumes.enabled": "true"},
        "azure_attributes": {"first_on_demand": 1, "availability": "ON_DEMAND_AZURE", "spot_bid_max_price": -1.0},
        "node_type_id": "Standard_DS3_v2",
        "driver_node_type_id": "Standard_DS3_v2",
        "custom_tags": {"team": "data"},
        "autotermination_minutes": 60,
        "enable_elastic_disk": True,
        "disk_spec": {},
        "cluster_source": "UI",
        "single_user_name": "somebody@example.com",
        "enable_local_disk_encryption": False,
        "instance_source": {"node_type_id": "Standard_DS3_v2"},
        "driver_instance_source": {"node_type_id": "Standard_DS3_v2"},
        "data_security_mode": "SINGLE_USER",
        "runtime_engine": "PHOTON",
        "effective_spark_version": "15.4.x-photon-scala2.12",
        "ssh_public_keys": [PUBLIC_KEY],
        "state": "RUNNING",
        "state_message": "",
        "start_time": 1_763_600_000_000,
        "last_state_loss_time": 0,
        "last_activity_time": 1_763_632_900_000,
        "last_restarted_time": 1_763_632_800_000,
        "num_workers": 2,
        "default_tags": {"Vendor": "Databricks", "ClusterId": cluster_id},
        "init_scripts_safe_mode": False,
        **changes,
    }


PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDTVZkdP8CMjZRd4hcnv9jgkLmP5B5hmH7oxYVuJLyYg somebody"


class _Handler(BaseHTTPRequestHandler):
    workspace: Workspace

    def do_GET(self) -> None:
        path = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(path.query).items()}
        self._answer("GET", path.path, query)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        self._answer("POST", urlsplit(self.path).path, body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def _answer(self, method: str, path: str, asked: dict[str, Any]) -> None:
        self.workspace.requests.append((method, path, asked))
        self.workspace.headers.append(dict(self.headers))
        if path.startswith("/.well-known"):
            self._send(404, {})
        elif self.workspace.hiccups:
            status, headers = self.workspace.hiccups.pop(0)
            self._send(status, {"error_code": "X", "message": "Try later"}, headers)
        elif self.workspace.fail:
            status, headers, body = self.workspace.fail
            self._send(status, body, headers)
        elif self.headers.get("Authorization") != f"Bearer {self.workspace.token}":
            self._send(403, {"error_code": "403", "message": "Invalid access token."})
        elif path == "/api/2.1/clusters/list":
            clusters = list(self.workspace.clusters.values())
            first, size = int(asked.get("page_token", 0)), self.workspace.page or len(clusters)
            goes_on = first + size < len(clusters) or self.workspace.endless
            more = {"next_page_token": str(first + size)} if goes_on else {}
            self._send(200, {"clusters": clusters[first : first + size], **more} if clusters else {})
        elif asked.get("cluster_id") in self.workspace.clusters:
            self._send(200, self._of_cluster(path, self.workspace.clusters[asked["cluster_id"]]))
        else:
            message = f"Cluster {asked.get('cluster_id')} does not exist"
            self._send(400, {"error_code": "INVALID_PARAMETER_VALUE", "message": message})

    def _of_cluster(self, path: str, cluster: dict[str, Any]) -> dict[str, Any]:
        if path == "/api/2.1/clusters/get":
            if cluster["state"] != "TERMINATED" and self.workspace.after_start:
                cluster.update(self.workspace.after_start.pop(0))
            return cluster
        if path == "/api/2.1/clusters/edit" and cluster["state"] == "RUNNING" and self.workspace.after_edit:
            self.workspace.after_start = self.workspace.after_edit
        if path == "/api/2.1/clusters/start":
            cluster.update(state="PENDING", state_message="Starting Spark")
        if path == "/api/2.0/libraries/cluster-status":
            statuses = self.workspace.libraries.get(cluster["cluster_id"], [])
            return {"cluster_id": cluster["cluster_id"], "library_statuses": statuses}
        return {}

    def _send(self, status: int, body: dict[str, Any] | bytes, headers: dict[str, str] | None = None) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {"Content-Type": "application/json"}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    """An empty workspace."""
    held = Workspace()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"workspace": held}))
    held.host = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield held
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy workspace is asked again at once."""
    monkeypatch.setattr(patience, "LONGEST_PAUSE", 0)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's home folder, and none of the user's own Databricks settings."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "state"))
    for name in os.environ:
        if name.startswith(("DATABRICKS_", "ARM_")):
            monkeypatch.delenv(name)
    return folder


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's waits before a retry take no time on the clock of the wall, and their full time on the SDK's."""
    waited: list[float] = []
    monkeypatch.setattr(RealClock, "sleep", lambda _, seconds: waited.append(seconds))
    monkeypatch.setattr(RealClock, "time", lambda _: time.time() + sum(waited))


@pytest.fixture
def write_profiles(home: Path) -> Callable[[str], Path]:
    """Write ~/.databrickscfg."""

    def write(text: str) -> Path:
        path = home / ".databrickscfg"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def w(workspace: Workspace, write_profiles: Callable[[str], Path]) -> WorkspaceClient:
    """A client of the workspace by the profile `demo`."""
    write_profiles(f"[demo]\nhost = {workspace.host}\ntoken = {TOKEN}\n")
    return client("demo")
