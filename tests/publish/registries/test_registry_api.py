from __future__ import annotations

import hashlib
import json
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from dbmirror.http_client.exchange import Exchanges
from dbmirror.http_client.refused import Cause, Refused
from dbmirror.publish.registries import errors
from dbmirror.publish.registries.credential import ANONYMOUS, Credential
from dbmirror.publish.registries.registry_api import RegistryClient
from dbmirror.publish.registries.target import RegistryTarget
from dbmirror.sandbox.registry.signing import Signer

MANIFEST = json.dumps(
    {"schemaVersion": 2, "config": {"digest": "sha256:c", "size": 3}, "layers": [{"digest": "sha256:l", "size": 5}]}
).encode()
DIGEST = "sha256:" + hashlib.sha256(MANIFEST).hexdigest()


def guarded(scripted: Any, *, token: str | None = None, realm: str | None = None) -> None:
    """A registry that wants a bearer token of its own `/token`, which takes mia's password."""
    realm = realm or f"http://{scripted.host}/token"
    token = token or "good"

    def ping(asked: Any) -> tuple[int, dict[str, str], bytes]:
        if asked.headers.get("Authorization") == f"Bearer {token}":
            return 200, {"Content-Type": "application/json"}, b"{}"
        return 401, {"WWW-Authenticate": f'Bearer realm="{realm}",service="reg,istry"'}, b"{}"

    scripted.routes["GET /v2/"] = ping
    scripted.on("GET /token", 200, json.dumps({"token": token}).encode())
    scripted.on("POST /token", 200, json.dumps({"access_token": token}).encode())


def test_the_registry_s_challenge_leads_to_its_token_service(scripted: Any, credential: Credential) -> None:
    guarded(scripted)
    RegistryClient(scripted.target(), credential).log_in()
    request = scripted.asked[1]
    query = parse_qs(urlsplit(request.path).query)
    assert (query["service"], query["scope"]) == (["reg,istry"], ["repository:team/demo:pull,push"])
    assert request.headers["Authorization"].startswith("Basic ")
    assert credential.secret not in request.path


def test_an_identity_token_goes_as_a_form(scripted: Any) -> None:
    guarded(scripted)
    token = Credential(username="<token>", secret="refresh", source="a test", identity_token=True)
    RegistryClient(scripted.target(), token).log_in()
    request = scripted.asked[1]
    assert (request.method, request.path) == ("POST", "/token")
    form = parse_qs(request.body.decode())
    assert (form["grant_type"], form["refresh_token"]) == (["refresh_token"], ["refresh"])


def test_a_token_is_used_again_for_the_next_request(scripted: Any, credential: Credential) -> None:
    guarded(scripted)
    client = RegistryClient(scripted.target(), credential)
    client.log_in()
    client.log_in()
    assert [request.method + " " + urlsplit(request.path).path for request in scripted.asked] == [
        "GET /v2/", "GET /token", "GET /v2/", "GET /v2/",
    ]  # fmt: skip


def test_a_registry_with_a_password_file_takes_user_and_password(scripted: Any, credential: Credential) -> None:
    scripted.routes["GET /v2/"] = lambda asked: (
        (200, {}, b"{}") if "Authorization" in asked.headers else (401, {"WWW-Authenticate": 'Basic realm="x"'}, b"")
    )
    RegistryClient(scripted.target(), credential).log_in()
    assert len(scripted.asked) == 2


def test_a_registry_that_asks_nobody_takes_no_credential(scripted: Any) -> None:
    scripted.on("GET /v2/", 200, b"{}")
    RegistryClient(scripted.target(), ANONYMOUS).log_in()
    assert "Authorization" not in scripted.asked[0].headers


def test_the_user_s_netrc_is_not_consulted(scripted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login other password netrc-secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    scripted.on("GET /v2/", 200, b"{}")
    RegistryClient(scripted.target(), ANONYMOUS).log_in()
    assert "Authorization" not in scripted.asked[0].headers


def test_a_wrong_password_is_called_so(scripted: Any, credential: Credential) -> None:
    guarded(scripted)
    scripted.on("GET /token", 401, b'{"details":"incorrect username or password"}')
    with pytest.raises(errors.AuthenticationFailed, match="incorrect username or password") as raised:
        RegistryClient(scripted.target(), credential).log_in()
    assert "does not accept mia with the credential from a test" in raised.value.message


def test_a_token_that_is_refused_for_its_age_is_called_so(scripted: Any, credential: Credential) -> None:
    guarded(scripted)
    scripted.on("GET /v2/", 401, WWW_Authenticate=f'Bearer realm="http://{scripted.host}/token",error="invalid_token"')
    with pytest.raises(errors.CredentialExpired):
        RegistryClient(scripted.target(), credential).log_in()


def test_a_token_that_allows_no_push_is_known_before_anything_is_sent(scripted: Any, credential: Credential) -> None:
    access = [{"type": "repository", "name": "team/demo", "actions": ["pull"]}]
    guarded(scripted, token=Signer().sign(audience="x", subject="mia", lifetime=60, access=access))
    with pytest.raises(errors.InsufficientScope, match="mia may not push to team/demo"):
        RegistryClient(scripted.target(), credential).log_in()


@pytest.mark.parametrize("realm", ["http://elsewhere.example/token", "ftp://127.0.0.1/token", "file:///etc/passwd"])
def test_the_password_is_not_sent_where_it_could_be_read(scripted: Any, credential: Credential, realm: str) -> None:
    guarded(scripted, realm=realm)
    with pytest.raises(errors.UnexpectedAnswer, match="without encryption"):
        RegistryClient(scripted.target(), credential).log_in()
    assert len(scripted.asked) == 1


@pytest.mark.parametrize("challenge", ["", "Bearer", "Negotiate", "Bearer nonsense", 'Bearer service="x"'])
def test_a_challenge_that_nobody_speaks_is_an_unexpected_answer(
    scripted: Any, credential: Credential, challenge: str
) -> None:
    scripted.on("GET /v2/", 401, WWW_Authenticate=challenge)
    with pytest.raises(errors.UnexpectedAnswer):
        RegistryClient(scripted.target(), credential).log_in()


@pytest.mark.parametrize("answer", [b"<html>", b"{}", b'{"token": 3}', b"\xff"])
def test_a_token_service_that_gives_no_token_is_an_unexpected_answer(
    scripted: Any, credential: Credential, answer: bytes
) -> None:
    guarded(scripted)
    scripted.on("GET /token", 200, answer)
    with pytest.raises(errors.UnexpectedAnswer):
        RegistryClient(scripted.target(), credential).log_in()


def test_a_login_page_in_the_way_is_an_unexpected_answer(scripted: Any, credential: Credential) -> None:
    scripted.on("GET /v2/", 200, b"<html>", Content_Type="text/html; charset=utf-8")
    with pytest.raises(errors.UnexpectedAnswer, match="a web page"):
        RegistryClient(scripted.target(), credential).log_in()


@pytest.mark.parametrize(
    ("status", "error"),
    [(429, errors.QuotaRefused), (503, errors.RegistryUnavailable), (507, errors.RegistryFull)],
)
def test_a_server_s_fault_is_called_by_its_kind(
    scripted: Any, credential: Credential, status: int, error: type[errors.RegistryError]
) -> None:
    scripted.on("GET /v2/", status)
    with pytest.raises(error):
        RegistryClient(scripted.target(), credential).log_in()


def test_a_host_without_a_registry_is_unreachable(credential: Credential) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{unused.getsockname()[1]}"
    target = RegistryTarget(name="x", kind="oci", host=host, repository="demo", insecure=True)
    with pytest.raises(errors.RegistryUnreachable, match=f"no registry to be reached at {host}"):
        RegistryClient(target, credential).log_in()


def test_a_host_that_has_no_address_is_unreachable(credential: Credential) -> None:
    target = RegistryTarget(name="x", kind="oci", host="registry.invalid", repository="demo")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            patch.delenv(name, raising=False)
        with pytest.raises(errors.RegistryUnreachable):
            RegistryClient(target, credential).log_in()


def test_a_registry_that_does_not_answer_in_time_is_a_cut_connection(credential: Credential) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        target = RegistryTarget(name="x", kind="oci", host=host, repository="demo", insecure=True)
        with pytest.raises(errors.ConnectionCut):
            RegistryClient(target, credential, timeout=0.2).log_in()


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(
    tls: tuple[ssl.SSLContext, Path], credential: Credential
) -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.socket = tls[0].wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        target = RegistryTarget(name="x", kind="oci", host=f"127.0.0.1:{server.server_port}", repository="demo")
        with pytest.raises(errors.UntrustedCertificate) as raised:
            RegistryClient(target, credential).log_in()
        assert f"/etc/docker/certs.d/{target.host}/ca.crt" in raised.value.remedy
        server.shutdown()


def test_a_tag_that_is_not_there_has_no_digest(scripted: Any, credential: Credential) -> None:
    assert RegistryClient(scripted.target(), credential).digest_of("v1") is None


def test_a_tag_is_looked_up_without_a_pull(scripted: Any, credential: Credential) -> None:
    scripted.on("HEAD /v2/team/demo/manifests/v1", 200, Docker_Content_Digest=DIGEST)
    assert RegistryClient(scripted.target(), credential).digest_of("v1") == DIGEST
    assert [request.method for request in scripted.asked] == ["HEAD"]


def test_a_manifest_is_held_against_its_digest(scripted: Any, credential: Credential) -> None:
    scripted.on(f"GET /v2/team/demo/manifests/{DIGEST}", 200, MANIFEST)
    manifest = RegistryClient(scripted.target(), credential).manifest(DIGEST)
    assert manifest.config_digest == "sha256:c"
    assert [(layer.digest, layer.size) for layer in manifest.layers] == [("sha256:l", 5)]
    scripted.on(f"GET /v2/team/demo/manifests/{DIGEST}", 200, MANIFEST + b" ")
    with pytest.raises(errors.UnexpectedAnswer, match="What came is not"):
        RegistryClient(scripted.target(), credential).manifest(DIGEST)


def test_an_image_s_configuration_is_held_against_its_digest(scripted: Any, credential: Credential) -> None:
    scripted.on(f"GET /v2/team/demo/blobs/{DIGEST}", 200, MANIFEST)
    assert RegistryClient(scripted.target(), credential).blob(DIGEST) == MANIFEST
    scripted.on(f"GET /v2/team/demo/blobs/{DIGEST}", 200, b"other")
    with pytest.raises(errors.UnexpectedAnswer, match="What came is not"):
        RegistryClient(scripted.target(), credential).blob(DIGEST)


def test_an_answer_without_an_end_is_not_read_to_it(scripted: Any, credential: Credential) -> None:
    scripted.on(f"GET /v2/team/demo/blobs/{DIGEST}", 200, b"x" * (9 << 20))
    with pytest.raises(errors.UnexpectedAnswer, match="larger than"):
        RegistryClient(scripted.target(), credential).blob(DIGEST)


def test_no_error_carries_the_request_and_its_secret(scripted: Any, credential: Credential) -> None:
    guarded(scripted)
    scripted.on("GET /token", 500, f'{{"details":"{credential.secret}"}}'.encode())
    with pytest.raises(errors.RegistryUnavailable) as raised:
        RegistryClient(scripted.target(), credential).log_in()
    assert credential.secret not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    ("cause", "error"),
    [
        (Cause.TIMEOUT, errors.ConnectionCut),
        (Cause.CLOSED, errors.ConnectionCut),
        (Cause.CONNECTION, errors.RegistryUnreachable),
        (Cause.PROXY, errors.RegistryUnreachable),
        (Cause.TLS, errors.UntrustedCertificate),
        (Cause.GARBAGE, errors.UnexpectedAnswer),
    ],
)
def test_how_a_request_ended_is_known_by_its_cause_and_not_by_its_words(
    cause: Cause, error: type[errors.RegistryError], credential: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise Refused("mentions an x509 certificate, a quota, HTTP 403 and a timeout", cause=cause)

    monkeypatch.setattr(Exchanges, "ask", refuse)
    target = RegistryTarget(name="office", kind="oci", host="registry.example", repository="team/demo")
    with pytest.raises(errors.RegistryError, match=r"registry\.example mentions an x509") as raised:
        RegistryClient(target, credential).log_in()
    assert type(raised.value) is error


@pytest.mark.parametrize(("written", "error"), [("7", errors.RateLimited), ("9000", errors.QuotaRefused), ("", None)])
def test_a_rate_limit_that_is_soon_over_is_told_from_a_quota(
    scripted: Any, credential: Credential, written: str, error: type[errors.RegistryError] | None
) -> None:
    headers = {"Retry_After": written} if written else {}
    scripted.on("GET /v2/", 429, b'{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}', **headers)
    with pytest.raises(error or errors.QuotaRefused, match="slow down") as raised:
        RegistryClient(scripted.target(), credential).log_in()
    assert (raised.value.transient, raised.value.pause) == ((True, 7.0) if written == "7" else (False, 0.0))


def test_a_tag_is_let_name_a_manifest_by_its_own_bytes_and_type(scripted: Any, credential: Credential) -> None:
    guarded(scripted)
    kind = "application/vnd.oci.image.manifest.v1+json"
    content = b'{"config": {"digest": "sha256:c"}, "layers": []}'
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    scripted.on(f"GET /v2/team/demo/manifests/{digest}", 200, content, Content_Type=kind)
    scripted.on("PUT /v2/team/demo/manifests/15.4", 201)
    RegistryClient(scripted.target(), credential).tag(digest, "15.4")
    (sent,) = [asked for asked in scripted.asked if asked.method == "PUT"]
    assert (sent.body, sent.headers["Content-Type"]) == (content, kind)
