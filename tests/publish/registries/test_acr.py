from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dbmirror.publish.registries.credential import Credential, Unserved
from dbmirror.publish.registries.kinds.acr import (
    NULL_USER,
    credential_from_admin_account,
    credential_from_az,
    credential_from_entra,
    credential_from_service_principal,
)
from dbmirror.publish.registries.registry_api import RegistryClient
from dbmirror.publish.registries.target import RegistryTarget
from dbmirror.sandbox.registry.tokens import TokenService


@dataclass
class Token:
    token: str
    expires_on: int = 0


@dataclass
class Identity:
    """What azure-identity gives: azure-core's TokenCredential protocol."""

    token: str
    scopes: tuple[str, ...] = ()

    def get_token(self, *scopes: str, **options: Any) -> Token:
        self.scopes = scopes
        return Token(self.token)


class NobodyIsLoggedIn:
    def get_token(self, *scopes: str, **options: Any) -> Token:
        raise RuntimeError("the answer to a request with client_secret=hunter2")


def target(service: TokenService) -> RegistryTarget:
    return RegistryTarget(name="acr", kind="acr", host=service.service, repository="team/demo", insecure=True)


def test_an_entra_token_is_exchanged_for_a_refresh_token_of_the_registry(acr: TokenService) -> None:
    identity = Identity(acr.entra_token("mia"))
    found = credential_from_entra(target(acr), {}, identity=identity)
    assert isinstance(found, Credential)
    assert (found.username, found.source) == (NULL_USER, "Entra ID")
    assert identity.scopes == ("https://containerregistry.azure.net/.default",)
    assert acr.asked == ["POST /oauth2/exchange"]
    assert acr.answer("GET", "/oauth2/token?scope=repository:team/demo:pull,push", basic(found), b"").status == 200


def basic(credential: Credential) -> str:
    import base64

    return "Basic " + base64.b64encode(f"{credential.username}:{credential.secret}".encode()).decode()


@pytest.mark.parametrize("lifetime", [-5, 60])
def test_an_identity_that_the_registry_does_not_take_is_a_reason(acr: TokenService, lifetime: float) -> None:
    identity = Identity(acr.entra_token("stranger" if lifetime > 0 else "mia", lifetime=lifetime))
    found = credential_from_entra(target(acr), {}, identity=identity)
    assert found == Unserved(f"{acr.service} does not take this Entra ID identity (HTTP 401)")


def test_an_entra_error_is_named_without_its_text(acr: TokenService) -> None:
    found = credential_from_entra(target(acr), {}, identity=NobodyIsLoggedIn())
    assert found == Unserved("Entra ID gave no token (RuntimeError)")


def test_without_the_extra_the_reason_says_so(acr: TokenService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    found = credential_from_entra(target(acr), {})
    assert found == Unserved("azure-identity is not installed (the extra dbmirror[azure])")


def az(folder: Path, script: str) -> dict[str, str]:
    path = folder / "az"
    path.write_text(f"#!{sys.executable}\nimport sys\n{script}\n")
    path.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.defpath}"}


@pytest.mark.parametrize("host", ["team.azurecr.io", "team-abc123.azurecr.io"])
def test_az_is_asked_for_a_token_by_the_registry_s_name(tmp_path: Path, host: str) -> None:
    expected = ["acr", "login", "--name", "team", "--expose-token", "--output", "json", "--only-show-errors"]
    answer = json.dumps({"accessToken": "refresh", "loginServer": host})
    environ = az(tmp_path, f"assert sys.argv[1:] == {expected!r}, sys.argv\nprint({answer!r})")
    found = credential_from_az(RegistryTarget(name="acr", kind="acr", host=host, repository="demo"), environ)
    assert found == Credential(username=NULL_USER, secret="refresh", source="az acr login --expose-token")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("sys.exit('Please run az login')", "az acr login ended with code 1 (is there an `az login`?)"),
        ("print('not json')", "az acr login did not answer with a token"),
        ("import time; time.sleep(60)", "az did not answer within 0.5 seconds"),
    ],
)
def test_az_that_does_not_serve_is_a_reason(tmp_path: Path, script: str, reason: str) -> None:
    registry = RegistryTarget(name="acr", kind="acr", host="team.azurecr.io", repository="demo")
    assert credential_from_az(registry, az(tmp_path, script), deadline=0.5 if "sleep" in script else 10) == (
        Unserved(reason)
    )


def test_az_that_is_not_installed_is_a_reason(tmp_path: Path) -> None:
    registry = RegistryTarget(name="acr", kind="acr", host="team.azurecr.io", repository="demo")
    assert credential_from_az(registry, {"PATH": str(tmp_path)}) == Unserved("az is not installed")


def test_a_service_principal_logs_in_as_itself() -> None:
    found = credential_from_service_principal({"AZURE_CLIENT_ID": "id", "AZURE_CLIENT_SECRET": "s"})
    assert found == Credential(username="id", secret="s", source="AZURE_CLIENT_SECRET")
    assert credential_from_service_principal({"AZURE_CLIENT_ID": "id"}) == (Unserved("AZURE_CLIENT_SECRET is not set"))


def test_the_admin_account_is_called_like_its_registry() -> None:
    registry = RegistryTarget(name="acr", kind="acr", host="team.azurecr.io", repository="demo")
    found = credential_from_admin_account(registry, {"ACR_ADMIN_PASSWORD": "s"})
    assert found == Credential(username="team", secret="s", source="ACR_ADMIN_PASSWORD")
    assert credential_from_admin_account(registry, {}) == Unserved("ACR_ADMIN_PASSWORD is not set")


def test_the_exchange_tells_of_a_registry_that_is_not_there() -> None:
    from dbmirror.publish.registries.errors import RegistryUnreachable

    registry = RegistryTarget(name="acr", kind="acr", host="127.0.0.1:9", repository="demo", insecure=True)
    with pytest.raises(RegistryUnreachable):
        credential_from_entra(registry, {}, identity=Identity("t"))
    with pytest.raises(RegistryUnreachable):
        RegistryClient(registry, Credential(username="mia", secret="p", source="a test")).log_in()
