"""A registry, a token service or a cloned dbmirror.toml that wants a credential for a host of its own."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dbmirror.clones import own_records
from dbmirror.clones.agreements import Claim, NotAgreed
from dbmirror.config import Config, LoadedConfig
from dbmirror.config.registries import RegistryConfig
from dbmirror.http_client import limits
from dbmirror.publish.destinations import find_destinations
from dbmirror.publish.registries import errors
from dbmirror.publish.registries.credential import Credential, Unserved
from dbmirror.publish.registries.find_credential import find_credential
from dbmirror.publish.registries.given_credentials import credential_from_environment
from dbmirror.publish.registries.kind import same_site
from dbmirror.publish.registries.kinds.acr import (
    AzureContainerRegistry,
    credential_from_entra,
    not_azure,
)
from dbmirror.publish.registries.registry_api import RegistryClient
from dbmirror.publish.registries.resolve import resolve_target
from dbmirror.publish.registries.target import RegistryTarget
from tests.publish.registries.conftest import CANARY, ScriptedRegistry
from tests.publish.registries.test_acr import Identity
from tests.publish.registries.test_registry_api import DIGEST, guarded

STRANGER = "evil.example"


@pytest.fixture
def elsewhere() -> Iterator[ScriptedRegistry]:
    """Another origin on loopback, which writes down what it is asked."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen()
    other = ScriptedRegistry(f"localhost:{server.getsockname()[1]}")

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                other.asked.append(connection.recv(1 << 16))  # type: ignore[arg-type]
                content = b'{"token":"t","access_token":"t","refresh_token":"r"}'
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(content), content))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield other
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("identity_token", [False, True])
def test_a_token_service_that_redirects_gets_no_credential_sent_elsewhere(
    scripted: ScriptedRegistry, elsewhere: ScriptedRegistry, status: int, identity_token: bool
) -> None:
    guarded(scripted)
    for method in ("GET", "POST"):
        scripted.on(f"{method} /token", status, Location=f"http://{elsewhere.host}/token")
    credential = Credential(username="mia", secret=CANARY, source="a test", identity_token=identity_token)
    with pytest.raises(errors.RegistryError):
        RegistryClient(scripted.target(), credential).log_in()
    assert elsewhere.asked == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_an_exchange_that_redirects_gets_no_entra_token_sent_elsewhere(
    scripted: ScriptedRegistry, elsewhere: ScriptedRegistry, status: int
) -> None:
    scripted.on("POST /oauth2/exchange", status, Location=f"http://{elsewhere.host}/oauth2/exchange")
    found = credential_from_entra(scripted.target(kind="acr"), {}, identity=Identity("entra"))
    assert isinstance(found, Unserved)
    assert elsewhere.asked == []


def test_a_token_service_may_redirect_within_its_own_origin(scripted: ScriptedRegistry, credential: Credential) -> None:
    guarded(scripted)
    scripted.routes["GET /new-token"] = scripted.routes["GET /token"]
    scripted.on("GET /token", 307, Location="/new-token")
    RegistryClient(scripted.target(), credential).log_in()
    assert "Authorization" in scripted.asked[2].headers


def test_a_blob_in_another_storage_is_fetched_without_the_registrys_token(
    scripted: ScriptedRegistry, elsewhere: ScriptedRegistry, credential: Credential
) -> None:
    guarded(scripted)
    scripted.on(f"GET /v2/team/demo/blobs/{DIGEST}", 307, Location=f"http://{elsewhere.host}/blob")
    client = RegistryClient(scripted.target(), credential)
    client.log_in()
    with pytest.raises(errors.UnexpectedAnswer, match="What came is not"):
        client.blob(DIGEST)
    (asked,) = elsewhere.asked
    assert b"authorization" not in bytes(asked).lower()  # type: ignore[call-overload]


@pytest.mark.parametrize("place", ["http://169.254.169.254/latest", "ftp://x.example/", "http://storage.example/b"])
def test_a_blob_is_not_followed_into_the_clear_or_to_the_clouds_metadata(
    scripted: ScriptedRegistry, credential: Credential, place: str
) -> None:
    scripted.on(f"GET /v2/team/demo/blobs/{DIGEST}", 307, Location=place)
    with pytest.raises(errors.UnexpectedAnswer):
        RegistryClient(scripted.target(), credential).blob(DIGEST)


@pytest.mark.parametrize("kind", ["acr", "dockerhub"])
def test_where_the_token_service_is_known_no_other_gets_the_password(
    scripted: ScriptedRegistry, credential: Credential, kind: str
) -> None:
    guarded(scripted, realm=f"https://{STRANGER}/token")
    with pytest.raises(errors.UnexpectedAnswer, match=f"sent to {STRANGER}, which is not its own"):
        RegistryClient(scripted.target(kind=kind), credential).log_in()


@pytest.mark.parametrize("realm", ["https://me@auth.example/token", "//auth.example/token", "https://[::1/token", "x"])
def test_a_realm_that_two_readers_could_read_in_two_ways_is_refused(
    scripted: ScriptedRegistry, credential: Credential, realm: str
) -> None:
    guarded(scripted, realm=realm)
    with pytest.raises(errors.UnexpectedAnswer):
        RegistryClient(scripted.target(), credential).log_in()


AZURE = {"AZURE_CLIENT_ID": "id", "AZURE_CLIENT_SECRET": "service-principal", "ACR_ADMIN_PASSWORD": "admin"}


@pytest.mark.parametrize("host", [STRANGER, f"azurecr.io.{STRANGER}", "evilazurecr.io", "127.0.0.1:5000"])
def test_kind_acr_alone_sends_no_azure_secret_to_a_host(tmp_path: Any, host: str) -> None:
    target = RegistryTarget(name="acr", kind="acr", host=host, repository="demo", insecure=host.startswith("127"))
    asked: list[Credential] = []
    with pytest.raises(errors.NoCredential, match="is no host of Azure's") as refused:
        find_credential(
            target,
            {"HOME": str(tmp_path), "PATH": str(tmp_path), **AZURE},
            kind=AzureContainerRegistry(Identity("entra")),
            log_in=lambda _, credential: asked.append(credential),
        )
    assert asked == []
    assert f"set DBMIRROR_ACR_REGISTRY={host}" in refused.value.message


@pytest.mark.parametrize("host", ["team.azurecr.io", "team.azurecr.cn", "team.azurecr.us", "team-a1b2.azurecr.io"])
def test_the_registries_of_azures_clouds_are_azure(host: str) -> None:
    assert not_azure(RegistryTarget(name="acr", kind="acr", host=host, repository="demo"), {}) is None


def test_the_users_own_environment_may_name_another_host() -> None:
    target = RegistryTarget(name="acr", kind="acr", host="acr.stack.example", repository="demo")
    assert not_azure(target, {"DBMIRROR_ACR_REGISTRY": "acr.stack.example"}) is None
    assert not_azure(target, {"AZURE_CONTAINER_REGISTRY_ENDPOINT": "https://acr.stack.example/"}) is None
    assert not_azure(target, {"DBMIRROR_ACR_REGISTRY": "other.example"}) is not None


def test_a_pinned_host_is_the_only_one_that_a_section_may_name() -> None:
    sections = {"eu-west": RegistryConfig(kind="oci", host=STRANGER)}
    assert resolve_target("eu-west", sections, {"DBMIRROR_EU_WEST_HOST": STRANGER}, mirror="demo").host == STRANGER
    with pytest.raises(errors.TargetError, match=f"names the host {STRANGER}, and DBMIRROR_EU_WEST_HOST says"):
        resolve_target("eu-west", sections, {"DBMIRROR_EU_WEST_HOST": "registry.corp.example"}, mirror="demo")


GIVEN = {"DBMIRROR_TEAM_USERNAME": "mia", "DBMIRROR_TEAM_PASSWORD": CANARY}


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(own_records, "_of_this_run", set())
    return tmp_path / "state"


class Clone:
    """A cloned dbmirror.toml that names a host for the registry `team`, and what was sent there."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.sent: list[RegistryClient] = []
        self.asked: list[str] = []

        def log_in(client: RegistryClient) -> None:
            self.sent.append(client)

        monkeypatch.setattr(RegistryClient, "log_in", log_in)

    def push(self, host: str, *, answer: bool | None = None, password: str | None = None, **variables: str) -> None:
        def ask(claim: Claim) -> bool:
            self.asked.append(claim.text)
            return answer is True

        config = Config(registries={"team": RegistryConfig(kind="oci", host=host, username="mia")})
        find_destinations(
            ["team"],
            LoadedConfig(config=config, origin=None, root=self.root),
            mirror="demo",
            password=password,
            ask=None if answer is None else ask,
            environ={"HOME": str(self.root), "PATH": "", **variables},
        )


@pytest.fixture
def cloned(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    return Clone(tmp_path, monkeypatch)


@pytest.mark.parametrize("given", [{"password": CANARY}, GIVEN])
@pytest.mark.parametrize("host", [STRANGER, "127.0.0.1:5000", "docker.io.evil.example", f"azurecr.io.{STRANGER}"])
def test_a_password_goes_to_no_host_that_only_a_clone_names(cloned: Clone, host: str, given: dict[str, str]) -> None:
    with pytest.raises(NotAgreed, match=f"names the host {host}") as refused:
        cloned.push(host, **given)
    assert f"DBMIRROR_TEAM_HOST={host}" in refused.value.remedy
    with pytest.raises(NotAgreed):
        cloned.push(host, answer=False, **given)
    assert cloned.sent == []


@pytest.mark.parametrize("given", [{"password": CANARY}, GIVEN])
def test_it_goes_to_the_host_that_the_user_names_and_to_docker_hub_and_azure(
    cloned: Clone, given: dict[str, str]
) -> None:
    cloned.push(STRANGER, **given, DBMIRROR_TEAM_HOST=STRANGER)
    cloned.push("docker.io", **given)
    cloned.push("team.azurecr.io", **given)
    assert len(cloned.sent) == 3


def test_the_user_is_asked_once_for_each_host_and_each_registry(cloned: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    cloned.push("registry.corp.example", answer=True, **GIVEN)
    cloned.push("registry.corp.example", **GIVEN)
    assert len(cloned.asked) == 1
    with pytest.raises(NotAgreed):
        cloned.push(STRANGER, **GIVEN)
    with pytest.raises(NotAgreed):
        Clone(cloned.root / "other", monkeypatch).push("registry.corp.example", **GIVEN)


def test_what_docker_login_keeps_for_a_host_goes_there_without_a_question(cloned: Clone) -> None:
    folder = cloned.root / ".docker"
    folder.mkdir()
    auth = base64.b64encode(f"mia:{CANARY}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {"registry.corp.example": {"auth": auth}}}))
    cloned.push("registry.corp.example")
    assert len(cloned.sent) == 1


@pytest.mark.parametrize(
    ("own", "realm"),
    [
        ("registry.gitlab.com", "gitlab.com"),
        ("registry.apps.example.com", "gitlab.example.com"),
        ("registry.example.co.uk", "git.example.co.uk"),
        ("de.icr.io", "icr.io"),
        ("ghcr.io", "ghcr.io"),
        ("registry.digitalocean.com", "api.digitalocean.com"),
    ],
)
def test_a_token_service_of_the_registrys_own_domain_is_its_own(own: str, realm: str) -> None:
    assert same_site(realm, own)


@pytest.mark.parametrize(
    ("own", "realm"),
    [
        ("registry.example.com", STRANGER),
        ("registry.team.co.uk", "evil.co.uk"),
        ("10.0.0.5", "9.0.0.5"),
        ("registry.example.com", "notexample.com"),
        ("registry.example.com", "com"),
        ("registry", "evil"),
        ("registry.gov.au", "evil.gov.au"),
        ("registry.shop.kawasaki.jp", "evil.kawasaki.jp"),
        ("registry.duckdns.org", "evil.duckdns.org"),
        ("registry.azurewebsites.net", "evil.azurewebsites.net"),
        ("registry.github.io", "evil.github.io"),
        ("team.s3.eu-west-1.amazonaws.com", "evil.s3.eu-west-1.amazonaws.com"),
        ("registry.school.nsw.edu.au", "evil.nsw.edu.au"),
        ("registry.internal", "evil.internal"),
        ("registry.xn--55qx5d.cn", "evil.xn--55qx5d.cn"),
        ("a.co.uk", "co.uk"),
        ("10.0.0.5", "evil.0.0.5"),
        ("[2001:db8::1]", "[2001:db8::2]"),
    ],
)
def test_a_token_service_of_another_domain_is_not(own: str, realm: str) -> None:
    assert not same_site(realm, own)


def test_a_registry_sends_the_password_to_another_domain_only_if_the_user_named_that(
    scripted: ScriptedRegistry, credential: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded(scripted, realm=f"https://{STRANGER}/token")
    with pytest.raises(errors.UnexpectedAnswer, match="which is not its own") as refused:
        RegistryClient(scripted.target(), credential).log_in()
    assert f"_TOKEN_HOST={STRANGER}" in refused.value.remedy
    sections = {"team": RegistryConfig(kind="oci", host="registry.corp.example")}
    environ = {"DBMIRROR_TEAM_TOKEN_HOST": "Auth.example"}
    assert resolve_target("team", sections, environ, mirror="demo").token_host == "auth.example"


def test_docker_hubs_token_is_for_docker_hub() -> None:
    environ = {"DOCKERHUB_USERNAME": "mia", "DOCKERHUB_TOKEN": CANARY}
    hub = RegistryTarget(name="dockerhub", kind="dockerhub", host="docker.io", repository="mia/demo")
    assert isinstance(credential_from_environment(hub, environ), Credential)
    assert isinstance(credential_from_environment(replace(hub, host=STRANGER), environ), Unserved)


@contextmanager
def dripping(head: bytes, drip: bytes) -> Iterator[str]:
    """A registry on loopback that sends `head` and then `drip`, a piece every 10 ms, for ever."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen()

    def serve() -> None:
        try:
            connection, _ = server.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(head)
                while True:
                    connection.sendall(drip)
                    time.sleep(0.01)
        except OSError:
            return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.close()


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"])
def test_a_registry_that_drips_is_left_in_time(
    credential: Credential, monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    monkeypatch.setattr("dbmirror.publish.registries.transport.ANSWER_SECONDS", 1.0)
    drip = b"X-Header: x\r\n" if head.count(b"\r\n") == 1 else b"x"
    started = time.monotonic()
    with dripping(head, drip) as host:
        target = RegistryTarget(name="x", kind="oci", host=host, repository="demo", insecure=True)
        client = RegistryClient(target, credential)
        with pytest.raises(errors.ConnectionCut, match="no whole answer within 1 s"):
            client.log_in()
    assert time.monotonic() - started < limits.IDLE_SECONDS / 2


def test_packed_megabytes_are_not_unpacked_to_gigabytes(scripted: ScriptedRegistry, credential: Credential) -> None:
    import gzip

    bomb = gzip.compress(bytes(64 << 20))
    scripted.on(f"GET /v2/team/demo/blobs/{DIGEST}", 200, bomb, Content_Encoding="gzip")
    with pytest.raises(errors.UnexpectedAnswer, match="larger than"):
        RegistryClient(scripted.target(), credential).blob(DIGEST)


def test_what_an_answer_says_commands_no_terminal(scripted: ScriptedRegistry, credential: Credential) -> None:
    body = json.dumps({"errors": [{"code": "UNKNOWN", "message": "a\x9b31m\x1b[2J\u202eb ?token=hunter2"}]})
    scripted.on("GET /v2/", 400, body.encode())
    with pytest.raises(errors.RegistryError) as raised:
        RegistryClient(scripted.target(), credential).log_in()
    assert "hunter2" not in raised.value.message
    assert raised.value.message.isprintable()
