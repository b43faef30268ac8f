"""Which login a kernel of the lab has for the workspace, and what it says where there is none."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from dbmirror_shim import login as module
from dbmirror_shim.errors import Unavailable
from dbmirror_shim.login import Login, given_login, trusting
from dbmirror_shim.session import require_workspace
from dbmirror_shim.utilities import Utilities

CLUSTER = "0101-120000-abcdefgh"
BUNDLE = ("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "REQUESTS_CA_BUNDLE")


@pytest.fixture(autouse=True)
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mirror kernel whose lab was given a workspace; the value is the file of its token."""
    for name in [name for name in os.environ if name.startswith(("DATABRICKS_", "DBMIRROR_", *BUNDLE))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DBMIRROR_SIDE", "mirror")
    monkeypatch.setenv("DBMIRROR_MIRROR", "demo")
    monkeypatch.setenv("DBMIRROR_WORKSPACE", "https://adb-1.2.example")
    monkeypatch.setenv("DBMIRROR_CLUSTER", CLUSTER)
    path = tmp_path / "token"
    path.write_text("dapi-one\n")
    monkeypatch.setattr(module, "TOKEN", path)
    monkeypatch.setattr(module, "CA_BUNDLE", tmp_path / "ca-bundle")
    return path


def test_the_labs_login_is_read_anew_each_time(token: Path) -> None:
    assert given_login() == Login("https://adb-1.2.example", "dapi-one", CLUSTER)
    token.write_text("dapi-two\n")
    assert given_login() == Login("https://adb-1.2.example", "dapi-two", CLUSTER)


@pytest.mark.parametrize("name", ["DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_CONFIG_PROFILE"])
def test_a_login_of_the_users_own_is_never_mixed_with_the_labs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "https://elsewhere.example")
    assert given_login() is None


def test_another_cluster_of_the_same_workspace_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABRICKS_CLUSTER_ID", "0202-120000-another1")
    found = given_login()
    assert found is not None
    assert (found.token, found.cluster) == ("dapi-one", "0202-120000-another1")


@pytest.mark.parametrize("side", ["driver", ""])
def test_no_other_kernel_than_the_mirrors_uses_it(side: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBMIRROR_SIDE", side)
    assert given_login() is None


def test_a_lab_without_a_workspace_names_the_command_that_gives_it_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBMIRROR_WORKSPACE", "")
    with pytest.raises(Unavailable, match="no workspace; 'dbmirror lab up demo'"):
        given_login()


@pytest.mark.parametrize("there", [True, False])
def test_a_lab_without_a_token_says_for_which_workspace(there: bool, token: Path) -> None:
    token.write_text("") if there else token.unlink()
    with pytest.raises(Unavailable, match=r"no token for the workspace adb-1\.2\.example; 'dbmirror lab up demo'"):
        given_login()


def test_a_workspace_that_speaks_plain_http_has_no_spark_and_is_sent_no_token() -> None:
    with pytest.raises(Unavailable, match="plain http") as caught:
        require_workspace(Login("http://host.docker.internal:8080", "dapi-one", CLUSTER))
    assert "dapi-one" not in str(caught.value)


def test_a_workspace_that_does_not_answer_is_told_at_once() -> None:
    with pytest.raises(Unavailable, match="the workspace localhost does not answer"):
        require_workspace(Login("https://localhost:9", "dapi-one", CLUSTER))


def test_the_machines_certificate_authorities_hold_while_the_workspace_is_asked(tmp_path: Path) -> None:
    with trusting():
        assert not any(os.environ.get(name) for name in BUNDLE)
    (tmp_path / "ca-bundle").write_text("-----BEGIN CERTIFICATE-----\n")
    with trusting():
        assert {os.environ.get(name) for name in BUNDLE} == {str(tmp_path / "ca-bundle")}
    assert not any(os.environ.get(name) for name in BUNDLE)


@pytest.fixture
def workspace(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A workspace with a secret scope, which takes the token `dapi-one`; the list of what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.path} {self.headers.get('Authorization')}")
            taken = self.headers.get("Authorization") == "Bearer dapi-one"
            refusal = {"error_code": 403, "message": "Invalid access token."}
            body = json.dumps({"scopes": [{"name": "team"}]} if taken else refusal).encode()
            self.send_response(200 if taken else 403)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    monkeypatch.setenv("DBMIRROR_WORKSPACE", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield asked
    server.shutdown()
    server.server_close()


def test_dbutils_asks_the_labs_workspace(workspace: list[str]) -> None:
    assert [scope.name for scope in Utilities().secrets.listScopes()] == ["team"]
    assert workspace[-1] == "/api/2.0/secrets/scopes/list Bearer dapi-one"


def test_dbutils_uses_a_token_that_was_renewed_after_it_was_refused(workspace: list[str], token: Path) -> None:
    token.write_text("dapi-old")
    with pytest.raises(Unavailable, match="'dbmirror lab up demo' renews an expired one") as caught:
        Utilities().secrets.listScopes()
    assert "dapi-old" not in str(caught.value)
    token.write_text("dapi-one")
    assert [scope.name for scope in Utilities().secrets.listScopes()] == ["team"]
