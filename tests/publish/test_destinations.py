"""Where an image goes is settled, and each login tried, before anything is built."""

from __future__ import annotations

import base64
import http.server
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbmirror.ca_bundle import VARIABLES
from dbmirror.config import Config, LoadedConfig
from dbmirror.config.registries import RegistryConfig
from dbmirror.errors import UsageError
from dbmirror.publish.destinations import find_destinations
from dbmirror.publish.registries.errors import RegistryError, TargetError, UntrustedCertificate

LOGIN = "Basic " + base64.b64encode(b"robot:word").decode()


class Registry(http.server.BaseHTTPRequestHandler):
    """A registry that wants one user's password."""

    asked: list[str]

    def answer(self) -> None:
        self.asked.append(self.path)
        known = self.headers.get("Authorization") == LOGIN
        upload = self.command == "POST"
        self.send_response((202 if upload else 200) if known else 401)
        if not known:
            self.send_header("WWW-Authenticate", 'Basic realm="registry"')
        if upload and known:
            self.send_header("Location", f"{self.path}one")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD = do_POST = do_DELETE = do_PUT = answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def host() -> Iterator[str]:
    Registry.asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def project(host: str, *names: str) -> LoadedConfig:
    section = RegistryConfig(kind="oci", host=host, repository="team/{mirror}", insecure=True)
    config = Config(registries=dict.fromkeys(names or ("team",), section))
    return LoadedConfig(config=config, origin=None, root=Path("/nonexistent"))


@pytest.fixture(autouse=True)
def no_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "home"))


def login(host: str, password: str = "word") -> dict[str, str]:  # noqa: S107
    """The variables of a user who named the host, too."""
    return {
        "DBMIRROR_TEAM_HOST": host,
        "DBMIRROR_TEAM_USERNAME": "robot",
        "DBMIRROR_TEAM_PASSWORD": password,
        "DOCKER_CONFIG": "/nonexistent",
    }


def test_a_registry_with_its_accepted_login_comes_once_however_often_it_is_named(host: str) -> None:
    (found,) = find_destinations(["team", "team"], project(host), mirror="demo", environ=login(host))
    assert found.target.full_name == f"{host}/team/demo"
    assert found.found.credential.username == "robot"
    assert Registry.asked


def test_a_password_of_stdin_is_for_one_registry(host: str) -> None:
    both = project(host, "team", "other")
    with pytest.raises(UsageError, match="one registry"):
        find_destinations(["team", "other"], both, mirror="demo", password="word", environ=login(host))
    assert not Registry.asked
    user = {name: value for name, value in login(host).items() if name != "DBMIRROR_TEAM_PASSWORD"}
    (found,) = find_destinations(["team"], both, mirror="demo", password="word\n", environ=user)
    assert found.found.credential.source == "--password-stdin"


def test_no_registry_is_asked_where_one_of_the_names_is_unknown(host: str) -> None:
    with pytest.raises(TargetError, match="nowhere"):
        find_destinations(["team", "nowhere"], project(host), mirror="demo", environ=login(host))
    assert not Registry.asked


def test_a_refused_password_is_said_at_once_and_without_the_password(host: str) -> None:
    wrong = login(host, "hunter2-secret")
    with pytest.raises(RegistryError) as refused:
        find_destinations(["team"], project(host), mirror="demo", environ=wrong)
    assert host in refused.value.message
    assert "hunter2" not in str(refused.value) + str(refused.value.remedy)


def test_the_authorities_that_the_user_names_vouch_for_a_registry(
    tls: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in VARIABLES:
        monkeypatch.setenv(variable, "")
    Registry.asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        server.socket = tls[0].wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        host = f"127.0.0.1:{server.server_port}"
        section = RegistryConfig(kind="oci", host=host, repository="team/{mirror}")
        loaded = LoadedConfig(config=Config(registries={"team": section}), origin=None, root=Path("/nonexistent"))
        with pytest.raises(UntrustedCertificate, match="cannot be trusted"):
            find_destinations(["team"], loaded, mirror="demo", environ=login(host))
        (found,) = find_destinations(["team"], loaded, mirror="demo", environ=login(host), ca_bundle=tls[1])
        assert found.target.host == host
        assert Registry.asked
        server.shutdown()
