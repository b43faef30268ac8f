from __future__ import annotations

import base64
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dbmirror.publish.registries.credential import Credential
from dbmirror.publish.registries.errors import (
    AuthenticationFailed,
    CredentialExpired,
    InsufficientScope,
    NoCredential,
    RegistryError,
    RegistryUnreachable,
)
from dbmirror.publish.registries.find_credential import find_credential
from dbmirror.publish.registries.kinds.acr import AzureContainerRegistry
from dbmirror.publish.registries.target import RegistryTarget

ACR = RegistryTarget(name="acr", kind="acr", host="team.azurecr.io", repository="demo")
HUB = RegistryTarget(name="dockerhub", kind="dockerhub", host="docker.io", repository="team/demo")
OFFICE = RegistryTarget(name="office", kind="oci", host="a.example", repository="demo")


@dataclass
class Door:
    """A registry that accepts the secrets it is told to."""

    accepts: set[str]
    refusal: RegistryError = field(default_factory=lambda: AuthenticationFailed("The registry does not know you."))
    asked: list[str] = field(default_factory=list)

    def log_in(self, target: RegistryTarget, credential: Credential) -> None:
        self.asked.append(credential.secret)
        if credential.secret not in self.accepts:
            raise self.refusal


class NoIdentity:
    def get_token(self, *scopes: str, **options: Any) -> Any:
        raise RuntimeError


def environ_with(folder: Path, *, secret: str | None = None, **variables: str) -> dict[str, str]:
    if secret is not None:
        (folder / ".docker").mkdir()
        auth = base64.b64encode(f"mia:{secret}".encode()).decode()
        auths = {host: {"auth": auth} for host in ("https://index.docker.io/v1/", ACR.host, OFFICE.host)}
        (folder / ".docker" / "config.json").write_text(json.dumps({"auths": auths}))
    return {"HOME": str(folder), "PATH": str(folder), **variables}


def test_the_sources_of_acr_are_tried_in_their_order_and_named(tmp_path: Path, recorder: Any) -> None:
    environ = environ_with(tmp_path, ACR_ADMIN_PASSWORD="admin")
    door = Door({"admin"})
    found = find_credential(
        ACR, environ, kind=AzureContainerRegistry(NoIdentity()), log_in=door.log_in, observer=recorder
    )
    assert found.credential.secret == "admin"
    assert [(attempt.source, attempt.outcome) for attempt in found.attempts] == [
        ("environment", "DBMIRROR_ACR_PASSWORD is not set"),
        ("docker config", f"there is no {tmp_path}/.docker/config.json"),
        ("Entra ID", "Entra ID gave no token (RuntimeError)"),
        ("az acr login", "az is not installed"),
        ("service principal", "AZURE_CLIENT_ID and AZURE_CLIENT_SECRET are not set"),
        ("admin account", "used"),
    ]
    assert recorder.lines[-1] == "note Credential for team.azurecr.io: admin account: used."
    assert len(recorder.lines) == 6


def test_a_password_on_stdin_goes_first(tmp_path: Path) -> None:
    environ = environ_with(tmp_path, secret="old", DOCKERHUB_USERNAME="mia", DOCKERHUB_TOKEN="token")
    door = Door({"typed", "token", "old"})
    found = find_credential(HUB, environ, password="typed\n", log_in=door.log_in)
    assert (found.credential.secret, door.asked) == ("typed", ["typed"])


def test_the_environment_goes_before_the_docker_config(tmp_path: Path) -> None:
    environ = environ_with(tmp_path, secret="old", DOCKERHUB_USERNAME="mia", DOCKERHUB_TOKEN="token")
    assert find_credential(HUB, environ, log_in=Door({"token", "old"}).log_in).credential.secret == "token"


@pytest.mark.parametrize(
    "refusal",
    [AuthenticationFailed("Refused."), CredentialExpired("Too old."), InsufficientScope("Pull only.")],
    ids=lambda error: type(error).__name__,
)
def test_what_the_docker_config_holds_is_passed_over_where_the_registry_refuses_it(
    tmp_path: Path, refusal: RegistryError
) -> None:
    environ = environ_with(tmp_path, secret="old", AZURE_CLIENT_ID="id", AZURE_CLIENT_SECRET="principal")
    door = Door({"principal"}, refusal)
    found = find_credential(ACR, environ, kind=AzureContainerRegistry(NoIdentity()), log_in=door.log_in)
    assert door.asked == ["old", "principal"]
    assert found.credential.secret == "principal"
    assert ("docker config", refusal.message.rstrip(".")) in [(a.source, a.outcome) for a in found.attempts]


def test_what_was_handed_over_is_not_passed_over(tmp_path: Path) -> None:
    environ = environ_with(tmp_path, secret="good", DOCKERHUB_USERNAME="mia", DOCKERHUB_TOKEN="bad")
    with pytest.raises(AuthenticationFailed):
        find_credential(HUB, environ, log_in=Door({"good"}).log_in)


def test_a_registry_that_cannot_be_asked_ends_the_search(tmp_path: Path) -> None:
    door = Door(set(), RegistryUnreachable("There is no registry."))
    with pytest.raises(RegistryUnreachable):
        find_credential(HUB, environ_with(tmp_path, secret="old"), log_in=door.log_in)


def test_where_nothing_serves_every_source_is_named_and_no_secret(tmp_path: Path, recorder: Any) -> None:
    environ = environ_with(tmp_path, secret="canary-in-config", ACR_ADMIN_PASSWORD="canary-of-admin")
    with pytest.raises(NoCredential) as raised:
        find_credential(
            ACR, environ, kind=AzureContainerRegistry(NoIdentity()), log_in=Door(set()).log_in, observer=recorder
        )
    for source in ("environment", "docker config", "Entra ID", "az acr login", "service principal", "admin account"):
        assert f"{source}: " in raised.value.message
    assert raised.value.exit_code == 3
    assert "docker login team.azurecr.io" in raised.value.remedy
    assert "canary" not in str(raised.value) + "".join(recorder.lines)


def test_a_registry_that_asks_nobody_needs_no_credential(tmp_path: Path) -> None:
    found = find_credential(OFFICE, environ_with(tmp_path), log_in=Door({""}).log_in)
    assert found.credential.docker_auth_config() == {}


def test_the_docker_config_is_read_and_not_touched(tmp_path: Path) -> None:
    environ = environ_with(tmp_path, secret="good")
    path = tmp_path / ".docker" / "config.json"
    before = (path.read_bytes(), path.stat().st_mtime_ns, sorted(path.parent.iterdir()))
    find_credential(HUB, environ, log_in=Door({"good"}).log_in)
    assert (path.read_bytes(), path.stat().st_mtime_ns, sorted(path.parent.iterdir())) == before


def test_a_helper_s_words_stay_its_own(tmp_path: Path, recorder: Any) -> None:
    environ = environ_with(tmp_path)
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text('{"credsStore": "chatty"}')
    helper = tmp_path / "docker-credential-chatty"
    helper.write_text(f"#!{sys.executable}\nimport sys\nprint('canary-secret')\nsys.exit('canary-secret')\n")
    helper.chmod(0o755)
    with pytest.raises(NoCredential) as raised:
        find_credential(HUB, environ, log_in=Door(set()).log_in, observer=recorder)
    assert "docker-credential-chatty has none" in str(raised.value)
    assert "canary" not in str(raised.value) + "".join(recorder.lines)
