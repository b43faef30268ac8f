from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator
from typing import Any

import docker
import pytest

from dbmirror.publish.registries import errors, stillness
from dbmirror.publish.registries.credential import Credential
from dbmirror.publish.registries.push import push

IMAGE_ID = "sha256:" + "1" * 64
ENGINE = "/v1.45"


@pytest.fixture
def engine(scripted: Any) -> Iterator[docker.DockerClient]:
    """An engine with one image, on the same loopback server as the registry."""
    image = {"Id": IMAGE_ID, "RepoTags": ["demo:built"], "RepoDigests": [], "RootFS": {"Layers": ["sha256:l"]}}
    scripted.on("GET /v2/", 200, b"{}")
    scripted.on(f"GET {ENGINE}/images/demo:built/json", 200, json.dumps(image).encode())
    scripted.on(f"GET {ENGINE}/images/{scripted.host}/team/demo:v1/json", 404, b'{"message":"No such image"}')
    scripted.on(f"POST {ENGINE}/images/{IMAGE_ID}/tag", 201)
    with contextlib.closing(docker.DockerClient(f"tcp://{scripted.host}", version="1.45", timeout=0.7)) as client:
        yield client


def pushing(scripted: Any, *lines: bytes, status: int = 200) -> None:
    scripted.on(f"POST {ENGINE}/images/{scripted.host}/team/demo/push", status, b"\n".join(lines))


def test_a_push_in_which_nothing_moves_is_told_and_given_up_at_its_limit(
    scripted: Any,
    engine: docker.DockerClient,
    credential: Credential,
    recorder: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stillness, "TOLD_AFTER", 0.2)
    path = f"POST {ENGINE}/images/{scripted.host}/team/demo/push"
    said = b'{"status":"Pushing","id":"a","progressDetail":{"current":1000000,"total":4000000}}\r\n'
    # One chunk comes, and then nothing does.
    headers = {"Transfer-Encoding": "chunked", "Content-Length": "1000"}
    scripted.routes[path] = lambda asked: (200, headers, b"%x\r\n%s\r\n" % (len(said), said))
    with pytest.raises(errors.PushStoodStill, match=r"stood still for 0\.7 s \(layer a: 1\.0 of 4\.0 MB\)") as raised:
        push("demo:built", scripted.target(), "v1", credential, engine=engine, observer=recorder)
    assert raised.value.exit_code == 3
    assert raised.value.__cause__ is None
    assert "the Docker Engine still waits in the upload of before: restart it" in raised.value.remedy
    (told,) = [line for line in recorder.lines if line.startswith("warn push to office")]
    assert "nothing has moved for 0.2 s (layer a: 1.0 of 4.0 MB). It is given up after 0.7 s." in told


def test_an_engine_that_goes_away_is_docker_s_fault(
    scripted: Any, engine: docker.DockerClient, credential: Credential
) -> None:
    path = f"POST {ENGINE}/images/{scripted.host}/team/demo/push"
    scripted.routes[path] = lambda asked: (200, {"Content-Length": "1000", "Connection": "close"}, b"{")
    with pytest.raises(errors.EngineRefused, match="went away when it was to push") as raised:
        push("demo:built", scripted.target(), "v1", credential, engine=engine)
    assert raised.value.exit_code == 4


UNAUTHORIZED = b'{"errorDetail":{"message":"unauthorized: authentication required"},"error":"unauthorized"}'


def test_a_login_that_is_refused_in_the_middle_is_made_anew_and_the_push_goes_on(
    scripted: Any, engine: docker.DockerClient, credential: Credential, recorder: Any
) -> None:
    """A token that ran out; the second one is of another secret, as where Azure gave the first."""
    pushing(scripted, UNAUTHORIZED)
    fresh = Credential(username="mia", secret="fresh", source="a test")

    def renew() -> Credential:
        pushing(scripted, b'{"aux":{"Tag":"v1","Digest":"sha256:d","Size":1}}')
        return fresh

    with pytest.raises(errors.UnexpectedAnswer, match="is not there after a push that ended well"):
        push("demo:built", scripted.target(), "v1", credential, engine=engine, renew=renew, observer=recorder)
    first, second = (asked.headers["X-Registry-Auth"] for asked in scripted.asked if asked.path.endswith("push?tag=v1"))
    assert json.loads(base64.urlsafe_b64decode(first))["password"] == credential.secret
    assert json.loads(base64.urlsafe_b64decode(second))["password"] == "fresh"
    assert any("no longer accepts the login in the middle" in line for line in recorder.lines)


def test_a_login_that_is_refused_again_after_a_fresh_one_is_a_missing_right(
    scripted: Any, engine: docker.DockerClient, credential: Credential
) -> None:
    pushing(scripted, UNAUTHORIZED)
    with pytest.raises(errors.InsufficientScope):
        push("demo:built", scripted.target(), "v1", credential, engine=engine)
    assert sum("/push" in asked.path for asked in scripted.asked) == 2


@pytest.mark.parametrize("realm", ["https://evil.example/token", "http://evil.example/token", "http://10.1.2.3/token"])
def test_a_hostile_token_service_is_met_before_the_engine_has_the_password(
    scripted: Any, engine: docker.DockerClient, credential: Credential, realm: str
) -> None:
    pushing(scripted)
    scripted.on("GET /v2/", 401, WWW_Authenticate=f'Bearer realm="{realm}",service="r"')
    with pytest.raises(errors.UnexpectedAnswer):
        push("demo:built", scripted.target(), "v1", credential, engine=engine)
    assert not any("push" in asked.path or "Authorization" in asked.headers for asked in scripted.asked)


def test_a_stream_that_is_no_stream_of_events_is_docker_s_fault(
    scripted: Any, engine: docker.DockerClient, credential: Credential
) -> None:
    pushing(scripted, b"<html>what?")
    with pytest.raises(errors.EngineRefused):
        push("demo:built", scripted.target(), "v1", credential, engine=engine)


def test_a_failure_that_the_engine_says_at_once_is_the_registry_s(
    scripted: Any, engine: docker.DockerClient, credential: Credential
) -> None:
    pushing(scripted, b'{"message":"Get \\"https://x/v2/\\": x509: signed by unknown authority"}', status=500)
    with pytest.raises(errors.UntrustedCertificate, match="unknown authority"):
        push("demo:built", scripted.target(), "v1", credential, engine=engine)


def test_a_push_without_a_trace_in_the_registry_did_not_end_well(
    scripted: Any, engine: docker.DockerClient, credential: Credential
) -> None:
    pushing(scripted, b'{"aux":{"Tag":"v1","Digest":"sha256:d","Size":1}}')
    with pytest.raises(errors.UnexpectedAnswer, match="is not there after a push that ended well"):
        push("demo:built", scripted.target(), "v1", credential, engine=engine)


def test_what_arrived_as_another_image_is_refused(
    scripted: Any, engine: docker.DockerClient, credential: Credential
) -> None:
    import hashlib

    config = b"another configuration"
    config_digest = "sha256:" + hashlib.sha256(config).hexdigest()
    manifest = json.dumps({"config": {"digest": config_digest}, "layers": []}).encode()
    digest = "sha256:" + hashlib.sha256(manifest).hexdigest()

    def pushed(asked: Any) -> tuple[int, dict[str, str], bytes]:
        scripted.on("HEAD /v2/team/demo/manifests/v1", 200, Docker_Content_Digest=digest)
        return 200, {}, b"{}"

    scripted.routes[f"POST {ENGINE}/images/{scripted.host}/team/demo/push"] = pushed
    scripted.on(f"GET /v2/team/demo/manifests/{digest}", 200, manifest)
    scripted.on(f"GET /v2/team/demo/blobs/{config_digest}", 200, config)
    with pytest.raises(errors.UnexpectedAnswer, match=f"which is not the image {IMAGE_ID}"):
        push("demo:built", scripted.target(), "v1", credential, engine=engine)


def test_a_tag_that_cannot_be_put_back_is_told_and_hides_no_failure(
    scripted: Any, engine: docker.DockerClient, credential: Credential, recorder: Any
) -> None:
    pushing(scripted, b'{"errorDetail":{"message":"denied: no"},"error":"denied: no"}')
    with pytest.raises(errors.InsufficientScope):
        push("demo:built", scripted.target(), "v1", credential, engine=engine, observer=recorder)
    assert any(line.startswith(f"warn The local tag {scripted.host}/team/demo:v1 stays") for line in recorder.lines)
