from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import docker
import pytest

from dbmirror.publish.registries import errors
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


def test_an_engine_that_stops_talking_is_docker_s_fault(
    scripted: Any, engine: docker.DockerClient, credential: Credential
) -> None:
    path = f"POST {ENGINE}/images/{scripted.host}/team/demo/push"
    # More is announced than comes, and then nothing does.
    scripted.routes[path] = lambda asked: (200, {"Content-Length": "1000"}, b'{"status":"Preparing","id":"a"}')
    with pytest.raises(errors.EngineRefused, match="went away when it was to push") as raised:
        push("demo:built", scripted.target(), "v1", credential, engine=engine)
    assert raised.value.exit_code == 4
    assert raised.value.__cause__ is None


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
