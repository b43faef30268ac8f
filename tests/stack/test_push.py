"""Push for real: the Docker Engine, Debian's docker-registry, and both ways of logging in to it."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import secrets
import shutil
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import docker.errors
import pytest

from dbmirror.progress import Observer
from dbmirror.publish.moving_tags import move_tags
from dbmirror.publish.registries import errors
from dbmirror.publish.registries.credential import Credential
from dbmirror.publish.registries.find_credential import find_credential
from dbmirror.publish.registries.kinds.acr import NULL_USER, AzureContainerRegistry
from dbmirror.publish.registries.push import PushResult, push
from dbmirror.publish.registries.registry_api import RegistryClient
from dbmirror.publish.registries.target import RegistryTarget
from dbmirror.sandbox.registry.accounts import Account
from dbmirror.sandbox.registry.detached import read_detached, start_detached, stop_detached
from dbmirror.sandbox.registry.faults import Fault
from dbmirror.sandbox.registry.server import RunningRegistry, start
from dbmirror.sandbox.registry.tokens import Kind

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(not shutil.which("docker-registry"), reason="needs: apt-get install docker-registry"),
]

KINDS: list[Kind] = ["dockerhub", "acr"]
CANARY = f"canary-{secrets.token_hex(12)}"
SMALL, LARGE = 20_000, 4_000_000


@dataclass
class Watcher(Observer):
    """Keeps what it is told, and looks at the command lines of all processes meanwhile."""

    lines: list[str] = field(default_factory=list)
    command_lines: set[str] = field(default_factory=set)

    def _take(self, text: str) -> None:
        self.lines.append(text)
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                self.command_lines.add(path.read_bytes().decode(errors="replace"))

    def started(self, stage: str, *, total: int | None = None) -> None:
        self._take(f"started {stage} of {total}")

    def advanced(self, stage: str, text: str = "", *, steps: int = 1) -> None:
        self._take(f"advanced {stage} by {steps}: {text}")

    def finished(self, stage: str, text: str = "") -> None:
        self._take(f"finished {stage}: {text}")

    def note(self, text: str) -> None:
        self._take(f"note {text}")

    def warn(self, text: str) -> None:
        self._take(f"warn {text}")


def tar_of(name: str, size: int) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = size
        archive.addfile(entry, io.BytesIO(secrets.token_bytes(size)))
    return stream.getvalue()


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    with contextlib.closing(docker.from_env(timeout=120)) as client:
        yield client


@pytest.fixture(scope="module")
def new_image(engine: docker.DockerClient) -> Iterator[Callable[[], str]]:
    """Makes images of two layers, a small and a large one, that no registry has seen."""
    made: list[str] = []

    def make() -> str:
        name = f"scratch-registries-{secrets.token_hex(4)}"
        made.append(f"{name}:made")
        engine.api.import_image_from_data(tar_of("small", SMALL), repository=name, tag="base")
        container = engine.containers.create(f"{name}:base", ["nothing"])
        container.put_archive("/", tar_of("large", LARGE))
        container.commit(repository=name, tag="made")
        container.remove()
        engine.images.remove(f"{name}:base", noprune=True)
        return f"{name}:made"

    yield make
    for name in made:
        with contextlib.suppress(docker.errors.ImageNotFound):
            engine.images.remove(name)


@pytest.fixture(scope="module", params=KINDS)
def registry(request: pytest.FixtureRequest) -> Iterator[RunningRegistry]:
    accounts = [Account("reader", "may-only-pull", frozenset({"pull"})), Account("mia", CANARY)]
    with start(request.param, accounts=accounts, lifetime=600) as running:
        yield running


@pytest.fixture(autouse=True)
def all_goes_well(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "registry" in request.fixturenames:
        running = request.getfixturevalue("registry")
        running.faults.clear()
        running.tokens.lifetime = 300.0


@pytest.fixture(autouse=True)
def the_user_s_docker_config_stays() -> Iterator[None]:
    path = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    before = path.read_bytes() if path.exists() else None
    yield
    assert (path.read_bytes() if path.exists() else None) == before


def target_in(registry: RunningRegistry, repository: str | None = None) -> RegistryTarget:
    return RegistryTarget(
        name="office",
        kind=registry.kind,
        host=registry.host,
        repository=repository or f"team/{secrets.token_hex(4)}",
        insecure=True,
    )


def login(registry: RunningRegistry, username: str | None = None) -> Credential:
    account = next(a for a in registry.tokens.accounts if a.username == (username or registry.account.username))
    return Credential(username=account.username, secret=account.password, source="a test")


def pull_back(engine: docker.DockerClient, target: RegistryTarget, digest: str, credential: Credential) -> str:
    image = engine.images.pull(f"{target.full_name}@{digest}", auth_config=credential.docker_auth_config())
    return str(image.id)


def test_what_was_pushed_comes_back_by_its_digest_as_the_same_image(
    engine: docker.DockerClient, registry: RunningRegistry, new_image: Callable[[], str]
) -> None:
    image, target = new_image(), target_in(registry)
    image_id = engine.images.get(image).id
    watcher = Watcher()
    result = push(image, target, "v1", login(registry), engine=engine, observer=watcher)
    assert result.reference == f"{registry.host}/{target.repository}:v1"
    assert (result.already_there, result.layers_pushed, result.layers_reused) == (False, 2, 0)
    assert SMALL + LARGE < result.bytes < (SMALL + LARGE) * 1.1
    assert watcher.lines[0] == "started push to office of 2"
    assert sum("by 1: layer" in line for line in watcher.lines) == 2
    assert watcher.lines[-1] == f"finished push to office: {result.reference} is {result.digest}"

    engine.images.remove(image)
    with pytest.raises(docker.errors.ImageNotFound):
        engine.images.get(str(image_id))
    assert pull_back(engine, target, result.digest, login(registry)) == image_id
    engine.images.remove(f"{target.full_name}@{result.digest}")


def test_an_image_that_is_there_is_recognised_and_not_sent_again(
    engine: docker.DockerClient, registry: RunningRegistry, new_image: Callable[[], str]
) -> None:
    image, target = new_image(), target_in(registry)
    first = push(image, target, "v1", login(registry), engine=engine)
    registry.requests.clear()
    second = push(image, target, "v1", login(registry), engine=engine)
    assert (second.already_there, second.digest, second.bytes) == (True, first.digest, 0)
    assert second.layers_reused == 2
    assert {request.split()[0] for request in registry.requests} == {"GET", "HEAD"}


def test_an_image_that_is_there_is_recognised_by_a_machine_that_never_pushed_it(
    engine: docker.DockerClient, registry: RunningRegistry, new_image: Callable[[], str]
) -> None:
    image, target = new_image(), target_in(registry)
    push(image, target, "v1", login(registry), engine=engine)
    assert not any(target.full_name in name for name in engine.images.get(image).attrs["RepoDigests"])
    assert push(image, target, "v1", login(registry), engine=engine).already_there


def test_a_tag_that_names_another_image_is_left_alone_unless_asked_for(
    engine: docker.DockerClient, registry: RunningRegistry, new_image: Callable[[], str]
) -> None:
    target = target_in(registry)
    first = push(new_image(), target, "v1", login(registry), engine=engine)
    other = new_image()
    with pytest.raises(errors.TagTaken, match=first.digest):
        push(other, target, "v1", login(registry), engine=engine)
    second = push(other, target, "v1", login(registry), engine=engine, replace=True)
    assert second.digest != first.digest


def test_a_second_tag_of_an_image_reuses_all_layers(
    engine: docker.DockerClient, registry: RunningRegistry, new_image: Callable[[], str]
) -> None:
    image, target = new_image(), target_in(registry)
    first = push(image, target, "v1", login(registry), engine=engine)
    second = push(image, target, "v2", login(registry), engine=engine)
    assert second.digest == first.digest
    assert (second.already_there, second.layers_pushed, second.layers_reused, second.bytes) == (False, 0, 2, 0)


def test_the_local_tag_that_a_push_needs_is_gone_afterwards(
    engine: docker.DockerClient, registry: RunningRegistry, new_image: Callable[[], str]
) -> None:
    image, target = new_image(), target_in(registry)
    push(image, target, "v1", login(registry), engine=engine)
    assert engine.images.get(image).tags == [image]


def test_a_local_tag_that_was_there_before_names_what_it_named(
    engine: docker.DockerClient, registry: RunningRegistry, new_image: Callable[[], str]
) -> None:
    image, other, target = new_image(), new_image(), target_in(registry)
    engine.images.get(other).tag(target.full_name, "v1")
    push(image, target, "v1", login(registry), engine=engine)
    assert engine.images.get(target.reference("v1")).id == engine.images.get(other).id
    assert engine.images.get(image).attrs["RepoDigests"] == []
    engine.images.remove(target.reference("v1"), noprune=True)


def test_an_image_without_any_name_survives_its_push(
    engine: docker.DockerClient, registry: RunningRegistry, new_image: Callable[[], str]
) -> None:
    container = engine.containers.create(new_image(), ["nothing"])
    image_id = str(container.commit().id)
    container.remove()
    target = target_in(registry)
    push(image_id, target, "v1", login(registry), engine=engine)
    assert engine.images.get(image_id).tags == [target.reference("v1")]
    engine.images.remove(target.reference("v1"))


def test_a_wrong_password_is_refused_with_the_registry_s_words(
    engine: docker.DockerClient, registry: RunningRegistry, new_image: Callable[[], str]
) -> None:
    wrong = Credential(username=registry.account.username, secret="wrong-password", source="DOCKERHUB_TOKEN")
    with pytest.raises(errors.AuthenticationFailed) as raised:
        push(new_image(), target_in(registry), "v1", wrong, engine=engine)
    words = {"dockerhub": "incorrect username or password", "acr": "UNAUTHORIZED authentication required"}
    assert words[registry.kind] in raised.value.message
    assert "from DOCKERHUB_TOKEN" in raised.value.message
    assert raised.value.exit_code == 3


def test_a_user_who_may_only_pull_is_refused_before_anything_is_sent(
    engine: docker.DockerClient, registry: RunningRegistry, new_image: Callable[[], str]
) -> None:
    registry.requests.clear()
    with pytest.raises(errors.InsufficientScope, match="reader may not push"):
        push(new_image(), target_in(registry), "v1", login(registry, "reader"), engine=engine)
    assert not any(request.startswith(("POST", "PUT", "PATCH")) for request in registry.requests)


def test_a_registry_that_denies_the_first_layer_is_heard(
    engine: docker.DockerClient, registry: RunningRegistry, new_image: Callable[[], str]
) -> None:
    body = b'{"errors":[{"code":"DENIED","message":"this repository is locked"}]}'
    registry.faults.add(Fault(method="POST", path="/uploads/", status=403, body=body))
    with pytest.raises(errors.InsufficientScope, match="this repository is locked"):
        push(new_image(), target_in(registry), "v1", login(registry), engine=engine)


def test_access_tokens_that_are_over_when_they_arrive_are_called_expired(
    engine: docker.DockerClient, registry: RunningRegistry, new_image: Callable[[], str]
) -> None:
    registry.tokens.lifetime = -120
    with pytest.raises(errors.CredentialExpired):
        push(new_image(), target_in(registry), "v1", login(registry), engine=engine)


def test_a_quota_is_not_tried_again(
    engine: docker.DockerClient, registry: RunningRegistry, new_image: Callable[[], str]
) -> None:
    body = b'{"errors":[{"code":"TOOMANYREQUESTS","message":"the plan allows no more"}]}'
    registry.faults.add(Fault(method="POST", path="/uploads/", status=429, body=body))
    waits: list[float] = []
    with pytest.raises(errors.QuotaRefused, match="the plan allows no more"):
        push(new_image(), target_in(registry), "v1", login(registry), engine=engine, sleep=waits.append)
    assert waits == []


def test_a_rate_limit_with_an_end_is_waited_for(
    engine: docker.DockerClient, registry: RunningRegistry, new_image: Callable[[], str]
) -> None:
    """The engine keeps the Retry-After to itself, so the registry is asked once more."""
    body = b'{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}'
    limited = Fault(method="POST", path="/uploads/", status=429, body=body, headers={"Retry-After": "7"})
    registry.faults.add(limited)
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        limited.times = 0

    assert push(new_image(), target_in(registry), "v1", login(registry), engine=engine, sleep=sleep).layers_pushed == 2
    assert waits == [7.0]


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/uploads/"), ("PATCH", "/uploads/"), ("PUT", "/uploads/"), ("PUT", "/manifests/")]
)
def test_a_token_that_runs_out_in_the_middle_is_asked_for_anew(
    engine: docker.DockerClient, registry: RunningRegistry, new_image: Callable[[], str], method: str, path: str
) -> None:
    body = b'{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}'
    realm = f"http://{registry.host}{registry.tokens.realm_path}"
    challenge = f'Bearer realm="{realm}",service="{registry.tokens.service}",error="invalid_token"'
    ran_out = {"WWW-Authenticate": challenge}
    registry.faults.add(Fault(method=method, path=path, status=401, body=body, headers=ran_out, times=1))
    watcher = Watcher()
    result = push(new_image(), target_in(registry), "v1", login(registry), engine=engine, observer=watcher)
    # The other layer may have arrived before the engine gave up the first attempt.
    assert result.layers_pushed + result.layers_reused == 2
    assert result.layers_pushed
    assert sum("Logging in again" in line for line in watcher.lines) == 1


def test_a_push_that_hangs_ends_within_its_limit_and_is_named(
    registry: RunningRegistry, new_image: Callable[[], str]
) -> None:
    hang = Fault(method="PATCH", delay=8.0)
    registry.faults.add(hang)
    image, target = new_image(), target_in(registry)
    with contextlib.closing(docker.from_env(timeout=3)) as hasty:
        with pytest.raises(
            errors.PushStoodStill, match=r"stood still for 3 s \(layer .*\), and was given up"
        ) as raised:
            push(image, target, "v1", login(registry), engine=hasty)
        assert "waits in the upload of before: restart it" in raised.value.remedy
    hang.delay = 0.0
    with contextlib.closing(docker.from_env(timeout=60)) as patient:
        assert push(image, target, "v1", login(registry), engine=patient).digest


def test_a_moving_tag_follows_and_sends_nothing_but_the_manifest(
    engine: docker.DockerClient, registry: RunningRegistry, new_image: Callable[[], str]
) -> None:
    target, may_move = target_in(registry), []
    first = push(new_image(), target, "1", login(registry), engine=engine)
    second = push(new_image(), target, "2", login(registry), engine=engine)
    registry.requests.clear()
    for result, before in ((first, None), (second, first.digest), (second, second.digest)):
        (also,) = move_tags(
            ["15.4"],
            result.digest,
            target,
            login(registry),
            mirror="demo",
            may_move=lambda *tag: may_move.append(tag),
        )
        assert (also.digest, also.before) == (result.digest, before)
    assert may_move == [(target, "15.4", first.digest)]
    assert not any("/blobs/uploads" in request for request in registry.requests)
    assert RegistryClient(target, login(registry)).digest_of("1") == first.digest


MOMENTARY = {
    f"{method} {path} {status or 'cut'}": (method, path, status)
    for method, path, statuses in [
        ("GET", "/v2/$", (500, 502, 503)),
        ("HEAD", "/manifests/", (500, 503, 504)),
        ("POST", "/uploads/", (500, 502, 503)),
        ("PATCH", "/uploads/", (500, 502, 504, None)),
        ("PUT", "/uploads/", (500, 503, 504)),
        ("PUT", "/manifests/", (500, 502, 503, 504, None)),
    ]
    for status in statuses
}
"""21 ways in which one request of a push goes wrong once."""


def test_a_push_of_which_one_request_goes_wrong_completes_and_sends_each_blob_once(
    engine: docker.DockerClient, new_image: Callable[[], str]
) -> None:
    def complete(name: str) -> int:
        method, path, status = MOMENTARY[name]
        with start("dockerhub", lifetime=300) as running:
            running.faults.add(Fault(method=method, path=path, status=status, times=1, cut_after=None if status else 0))
            image, target = new_image(), target_in(running)
            for _ in range(2):
                with contextlib.suppress(errors.RegistryError):
                    push(image, target, "v1", login(running), engine=engine, sleep=lambda _: None)
                    break
            else:
                return -1
            return sum(each.startswith("PUT ") and "digest=" in each for each in running.requests)

    assert len(MOMENTARY) == 21
    with ThreadPoolExecutor(4) as pool:
        sent = dict(zip(MOMENTARY, pool.map(complete, MOMENTARY), strict=True))
    # Two layers and the configuration; a PUT that went wrong is asked for once more.
    assert sent == {name: 4 if name.startswith("PUT /uploads/") else 3 for name in MOMENTARY}


@pytest.mark.parametrize(("method", "path"), [("GET", "/v2/$"), ("HEAD", "/manifests/"), ("PUT", "/manifests/")])
def test_a_registry_that_cannot_serve_for_a_moment_is_asked_again(
    engine: docker.DockerClient, registry: RunningRegistry, new_image: Callable[[], str], method: str, path: str
) -> None:
    registry.faults.add(Fault(method=method, path=path, status=503, times=1))
    waits: list[float] = []
    watcher = Watcher()
    result = push(
        new_image(), target_in(registry), "v1", login(registry), engine=engine, sleep=waits.append, observer=watcher
    )
    assert waits == [1.0]
    assert result.digest
    assert any("cannot serve at the moment" in line and "attempt 2 of 3" in line for line in watcher.lines)


def test_a_slow_registry_is_waited_for(
    engine: docker.DockerClient, registry: RunningRegistry, new_image: Callable[[], str]
) -> None:
    registry.faults.add(Fault(method="PATCH", delay=0.02))
    assert push(new_image(), target_in(registry), "v1", login(registry), engine=engine).layers_pushed == 2


def test_an_image_that_is_not_here_is_docker_s_fault(engine: docker.DockerClient, registry: RunningRegistry) -> None:
    with pytest.raises(errors.EngineRefused, match="There is no image scratch-registries-gone:1 here") as raised:
        push("scratch-registries-gone:1", target_in(registry), "v1", login(registry), engine=engine)
    assert raised.value.exit_code == 4


@dataclass
class Slow:
    """A push that the engine gives up after its own five attempts, 50 s in all."""

    registry: RunningRegistry
    image: str
    target: RegistryTarget
    watcher: Watcher
    push: Future[PushResult]

    def fails(self, kind: type[errors.RegistryError], match: str | None = None) -> errors.RegistryError:
        """The error of that kind that it ends with; from then on its registry is well."""
        with pytest.raises(kind, match=match) as raised:
            self.push.result()
        self.registry.faults.clear()
        return raised.value


@pytest.fixture(scope="module")
def slow_failures(engine: docker.DockerClient, new_image: Callable[[], str]) -> Iterator[dict[str, Slow]]:
    """Both of them at the same time, begun."""
    faults = {
        "cut": Fault(method="PATCH", cut_after=1_000_000),
        "full": Fault(method="PATCH", status=507, body=b"{}"),
    }
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(len(faults)))
        failures = {}
        for (name, fault), kind in zip(faults.items(), KINDS, strict=True):
            running = stack.enter_context(start(kind, lifetime=600))
            running.faults.add(fault)
            image, target, watcher = new_image(), target_in(running), Watcher()
            failures[name] = Slow(running, image, target, watcher, pool.submit(
                push, image, target, "v1", login(running), engine=engine, observer=watcher, attempts=1
            ))  # fmt: skip
        yield failures


def test_a_connection_cut_in_the_middle_of_a_layer_is_an_error_and_a_second_push_completes_the_first(
    engine: docker.DockerClient, slow_failures: dict[str, Slow]
) -> None:
    cut = slow_failures["cut"]
    assert cut.fails(errors.ConnectionCut).exit_code == 3
    assert any("the Docker Engine is retrying" in line for line in cut.watcher.lines)
    assert engine.images.get(cut.image).tags == [cut.image]

    second = push(cut.image, cut.target, "v1", login(cut.registry), engine=engine)
    assert (second.layers_pushed, second.layers_reused) == (1, 1)
    assert LARGE < second.bytes < LARGE * 1.1


def test_a_full_registry_is_an_error_and_a_second_push_completes_the_first(
    engine: docker.DockerClient, slow_failures: dict[str, Slow]
) -> None:
    full = slow_failures["full"]
    full.fails(errors.RegistryFull, match="507 Insufficient Storage")
    assert push(full.image, full.target, "v1", login(full.registry), engine=engine).digest


@pytest.fixture(scope="module")
def acr() -> Iterator[RunningRegistry]:
    with start("acr", accounts=[Account("mia", CANARY)], lifetime=600) as running:
        yield running


@dataclass
class Token:
    token: str
    expires_on: int = 0


@dataclass
class Identity:
    """An Entra ID identity in azure-core's protocol."""

    token: str

    def get_token(self, *scopes: str, **options: Any) -> Token:
        return Token(self.token)


def test_an_entra_identity_pushes_with_a_refresh_token(
    engine: docker.DockerClient, acr: RunningRegistry, new_image: Callable[[], str], tmp_path: Path
) -> None:
    target = target_in(acr)
    environ = {"HOME": str(tmp_path), "PATH": str(tmp_path), "DBMIRROR_ACR_REGISTRY": target.host}
    acr.tokens.asked.clear()
    found = find_credential(target, environ, kind=AzureContainerRegistry(Identity(acr.tokens.entra_token("mia"))))
    assert (found.credential.username, found.credential.source) == (NULL_USER, "Entra ID")
    assert push(new_image(), target, "v1", found.credential, engine=engine).layers_pushed == 2
    assert acr.tokens.asked[0] == "POST /oauth2/exchange"


def test_a_refresh_token_that_is_over_is_called_expired(
    engine: docker.DockerClient, acr: RunningRegistry, new_image: Callable[[], str]
) -> None:
    old = Credential(username=NULL_USER, secret=acr.tokens.refresh_token("mia", lifetime=-5), source="docker config")
    with pytest.raises(errors.CredentialExpired, match="from docker config is no longer valid"):
        push(new_image(), target_in(acr), "v1", old, engine=engine)


def test_an_identity_token_of_the_docker_config_pushes_as_such(
    engine: docker.DockerClient, acr: RunningRegistry, new_image: Callable[[], str]
) -> None:
    token = Credential(
        username="<token>", secret=acr.tokens.refresh_token("mia"), source="docker config", identity_token=True
    )
    assert push(new_image(), target_in(acr), "v1", token, engine=engine).layers_pushed == 2
    assert "POST /oauth2/token" in acr.tokens.asked


def home_with_helper(folder: Path, registry: RunningRegistry, secret: str) -> dict[str, str]:
    """A home whose docker config leads to a credential helper, which gives `secret`."""
    (folder / ".docker").mkdir()
    (folder / ".docker" / "config.json").write_text(json.dumps({"credHelpers": {registry.host: "office"}}))
    helper = folder / "docker-credential-office"
    answer = json.dumps({"ServerURL": registry.host, "Username": "mia", "Secret": secret})
    helper.write_text(f"#!{sys.executable}\nimport sys\nassert sys.argv[1:] == ['get']\nprint({answer!r})\n")
    helper.chmod(0o700)
    return {"HOME": str(folder), "PATH": str(folder)}


@pytest.fixture
def said(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """All that was printed or logged, at every level."""
    caplog.set_level(0)
    return lambda: "".join(capfd.readouterr()) + caplog.text


def test_a_secret_is_nowhere_but_in_the_credential(
    engine: docker.DockerClient,
    registry: RunningRegistry,
    new_image: Callable[[], str],
    tmp_path: Path,
    said: Callable[[], str],
) -> None:
    environ = home_with_helper(tmp_path, registry, CANARY)
    config = (tmp_path / ".docker" / "config.json").read_bytes()
    image, target, watcher = new_image(), target_in(registry), Watcher()
    found = find_credential(target, environ, observer=watcher)
    assert found.credential.secret == CANARY
    result = push(image, target, "v1", found.credential, engine=engine, observer=watcher)
    complaints = []
    body = json.dumps({"errors": [{"code": "DENIED", "message": f"not with {CANARY}"}]}).encode()
    for method, path in (("GET", "/v2/$"), ("POST", "/uploads/")):
        registry.faults.add(Fault(method=method, path=path, status=403, body=body))
        with pytest.raises(errors.RegistryError) as raised:
            push(new_image(), target, "v2", found.credential, engine=engine, observer=watcher)
        registry.faults.clear()
        complaints.append(f"{raised.value} {raised.value!r} {raised.value.__cause__!r}")
    local = engine.images.get(image)
    places = {
        "progress": "\n".join(watcher.lines),
        "command lines": "\n".join(watcher.command_lines),
        "result": f"{result!r} {found!r}",
        "errors": "\n".join(complaints),
        "output and log": said(),
        "the image's history": json.dumps(local.history()),
        "the image": json.dumps(local.attrs),
        "the registry's log": (registry.folder / "registry.log").read_text(errors="replace"),
    }
    spellings = [
        CANARY,
        base64.b64encode(CANARY.encode()).decode(),
        base64.b64encode(f"mia:{CANARY}".encode()).decode(),
    ]
    assert [name for name, text in places.items() if any(spelling in text for spelling in spellings)] == []
    assert "not with [secret]" in places["errors"]
    assert (tmp_path / ".docker" / "config.json").read_bytes() == config


def test_pushes_to_two_registries_at_once_do_not_disturb_each_other(
    engine: docker.DockerClient, registry: RunningRegistry, acr: RunningRegistry, new_image: Callable[[], str]
) -> None:
    image = new_image()
    with ThreadPoolExecutor(2) as pool:
        pushes = [
            pool.submit(push, image, target_in(running), "v1", login(running), engine=engine)
            for running in (registry, acr)
        ]
        results = [future.result() for future in pushes]
    assert results[0].digest == results[1].digest
    assert engine.images.get(image).tags == [image]


def test_the_sandbox_s_registry_runs_as_a_process_of_its_own_until_it_is_stopped(
    engine: docker.DockerClient, new_image: Callable[[], str], tmp_path: Path
) -> None:
    folder = tmp_path / "registry"
    state = start_detached("dockerhub", folder=folder, lifetime=60)
    try:
        assert start_detached("dockerhub", folder=folder, lifetime=60) == state
        assert (folder / "registry.json").stat().st_mode & 0o777 == 0o600
        target = RegistryTarget(name="x", kind="dockerhub", host=state.host, repository="team/demo", insecure=True)
        credential = Credential(username=state.username, secret=state.password, source="a test")
        assert push(new_image(), target, "v1", credential, engine=engine).layers_pushed == 2
        assert state.password not in repr(state)
    finally:
        assert stop_detached(folder)
    assert read_detached(folder) is None
    with pytest.raises(errors.RegistryUnreachable):
        push(new_image(), target, "v1", credential, engine=engine)


def test_the_sandbox_s_registry_ends_by_itself(tmp_path: Path) -> None:
    folder = tmp_path / "registry"
    assert start_detached("acr", folder=folder, lifetime=0.5).kind == "acr"
    gone = threading.Event()
    for _ in range(100):
        if read_detached(folder) is None:
            break
        gone.wait(0.1)
    assert read_detached(folder) is None
