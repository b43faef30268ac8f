"""Which login a kernel of the lab has for the workspace, and what it says where there is none."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import traceback
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
PROXIES = ("grpc_proxy", "https_proxy", "http_proxy", "no_grpc_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mirror kernel whose lab was given a workspace; the value is the file of its token."""
    for name in [name for name in os.environ if name.startswith(("DATABRICKS_", "DBMIRROR_", *BUNDLE))]:
        monkeypatch.delenv(name)
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
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


def test_they_hold_until_the_last_of_the_threads_that_ask_has_its_answer(tmp_path: Path) -> None:
    (tmp_path / "ca-bundle").write_text("-----BEGIN CERTIFICATE-----\n")
    inside, leave = threading.Event(), threading.Event()

    def first() -> None:
        with trusting():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(10)
    with trusting():
        leave.set()
        thread.join(10)
        assert {os.environ.get(name) for name in BUNDLE} == {str(tmp_path / "ca-bundle")}
    assert not any(os.environ.get(name) for name in BUNDLE)


def test_a_proxy_is_asked_in_the_workspaces_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    require_workspace(Login("https://localhost:9", "dapi-one", CLUSTER))


@pytest.mark.parametrize("direct", ["localhost", "elsewhere.example, LOCALHOST"])
def test_a_workspace_that_no_proxy_leads_to_is_asked_itself(direct: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", direct)
    with pytest.raises(Unavailable, match="the workspace localhost does not answer"):
        require_workspace(Login("https://localhost:9", "dapi-one", CLUSTER))


def test_a_login_does_not_show_its_token() -> None:
    login = given_login()
    assert login is not None
    assert login.token == "dapi-one"
    assert "dapi" not in f"{login} {login!r}"


@pytest.fixture
def workspace(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A workspace with a secret scope, which takes the token `dapi-one`; the list of what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.path} {self.headers.get('Authorization')}")
            taken = self.headers.get("Authorization") == "Bearer dapi-one"
            answer: dict[str, object] = {"scopes": [{"name": "team"}]}
            status = 200
            if not taken:
                status, answer = 403, {"error_code": 403, "message": "Invalid access token."}
            elif "/secrets/get" in self.path:
                status, answer = 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "No such secret."}
            body = json.dumps(answer).encode()
            self.send_response(status)
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


def test_an_error_of_the_workspace_brings_none_of_the_clients_frames_which_know_the_token(workspace: list[str]) -> None:
    with pytest.raises(Exception, match="No such secret") as caught:
        Utilities().secrets.get("team", "key")
    assert workspace
    files = {Path(frame.f_code.co_filename).name for frame, _ in traceback.walk_tb(caught.value.__traceback__)}
    assert files == {Path(__file__).name, "utilities.py"}
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("first", ["dapi-one", "dapi-old"])
def test_a_token_that_the_user_changes_in_the_kernel_is_used_at_once(
    first: str, workspace: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_HOST", os.environ["DBMIRROR_WORKSPACE"])
    monkeypatch.setenv("DATABRICKS_TOKEN", first)
    second = {"dapi-one": "dapi-old", "dapi-old": "dapi-one"}[first]
    for token in (first, second):
        monkeypatch.setenv("DATABRICKS_TOKEN", token)
        with contextlib.suppress(Unavailable):
            Utilities().secrets.listScopes()
        assert workspace[-1].endswith(f"Bearer {token}")


def test_a_profile_that_is_corrected_after_its_token_was_refused_is_read_again(
    workspace: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles = tmp_path / "databrickscfg"
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(profiles))
    monkeypatch.setenv("DATABRICKS_CONFIG_PROFILE", "own")
    host = os.environ["DBMIRROR_WORKSPACE"]
    profiles.write_text(f"[own]\nhost = {host}\ntoken = dapi-old\n")
    with pytest.raises(Unavailable, match="the workspace refuses the token"):
        Utilities().secrets.listScopes()
    profiles.write_text(f"[own]\nhost = {host}\ntoken = dapi-one\n")
    assert [scope.name for scope in Utilities().secrets.listScopes()] == ["team"]
    assert workspace
