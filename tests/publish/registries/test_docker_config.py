from __future__ import annotations

import base64
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dbmirror.publish.registries.credential import Credential, Unserved
from dbmirror.publish.registries.docker_config import credential_from_docker_config
from dbmirror.publish.registries.target import RegistryTarget

OFFICE = RegistryTarget(name="office", kind="oci", host="a.example:5000", repository="team/demo")
HUB = RegistryTarget(name="dockerhub", kind="dockerhub", host="docker.io", repository="team/demo")


class Home:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {"HOME": str(folder), "PATH": f"{folder}{os.pathsep}{os.defpath}"}
        (folder / ".docker").mkdir()
        self.path = folder / ".docker" / "config.json"

    def config(self, **content: Any) -> None:
        self.path.write_text(json.dumps(content))

    def helper(self, name: str, script: str) -> None:
        path = self.folder / f"docker-credential-{name}"
        path.write_text(f"#!{sys.executable}\nimport sys\nserver = sys.stdin.read()\n{script}\n")
        path.chmod(0o755)

    def find(self, target: RegistryTarget, **options: Any) -> Credential | Unserved:
        return credential_from_docker_config(target, self.environ, **options)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def encoded(pair: str) -> str:
    return base64.b64encode(pair.encode()).decode()


def answer(username: str, secret: str) -> str:
    return f"print('{json.dumps({'ServerURL': 'x', 'Username': username, 'Secret': secret})}')"


@pytest.mark.parametrize("key", ["a.example:5000", "https://a.example:5000", "https://A.example:5000/v1/"])
def test_a_plain_entry_is_found_under_every_spelling_of_its_host(home: Home, key: str) -> None:
    home.config(auths={"b.example": {"auth": encoded("x:y")}, key: {"auth": encoded("mia:p:w")}})
    assert home.find(OFFICE) == Credential(username="mia", secret="p:w", source=str(home.path))


def test_docker_hub_stands_under_the_address_of_its_first_index(home: Home) -> None:
    home.config(auths={"https://index.docker.io/v1/": {"auth": encoded("mia:p")}})
    assert home.find(HUB) == Credential(username="mia", secret="p", source=str(home.path))


def test_another_port_is_another_registry(home: Home) -> None:
    home.config(auths={"a.example:5001": {"auth": encoded("mia:p")}, "a.example": {"auth": encoded("mia:p")}})
    assert home.find(OFFICE) == Unserved(f"{home.path} has no entry for a.example:5000")


def test_an_identity_token_is_found(home: Home) -> None:
    home.config(auths={"a.example:5000": {"auth": encoded("mia:"), "identitytoken": "refresh"}})
    found = home.find(OFFICE)
    assert isinstance(found, Credential)
    assert (found.secret, found.identity_token) == ("refresh", True)


def test_the_store_is_asked_for_the_registry_on_stdin(home: Home) -> None:
    home.helper("desk", "assert sys.argv[1:] == ['get'] and server == 'a.example:5000'\n" + answer("mia", "p"))
    home.config(credsStore="desk", auths={"a.example:5000": {}})
    assert home.find(OFFICE) == Credential(username="mia", secret="p", source="docker-credential-desk")


def test_the_store_is_asked_for_docker_hub_by_the_address_of_its_first_index(home: Home) -> None:
    home.helper("desk", "assert server == 'https://index.docker.io/v1/'\n" + answer("mia", "p"))
    home.config(credsStore="desk")
    assert isinstance(home.find(HUB), Credential)


def test_a_helper_of_the_host_goes_before_the_store(home: Home) -> None:
    home.helper("desk", answer("mia", "of the store"))
    home.helper("own", answer("<token>", "of the helper"))
    home.config(credsStore="desk", credHelpers={"a.example:5000": "own"})
    found = home.find(OFFICE)
    assert isinstance(found, Credential)
    assert (found.secret, found.identity_token, found.source) == ("of the helper", True, "docker-credential-own")


def test_a_plain_entry_serves_where_the_store_has_none(home: Home) -> None:
    home.helper("desk", "print('credentials not found in native keychain'); sys.exit(1)")
    home.config(credsStore="desk", auths={"a.example:5000": {"auth": encoded("mia:p")}})
    assert isinstance(home.find(OFFICE), Credential)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("print('credentials not found'); sys.exit(1)", "docker-credential-desk has none for a.example:5000"),
        ("print('not json')", "docker-credential-desk did not answer with a credential"),
        (answer("mia", ""), "docker-credential-desk has none for a.example:5000"),
    ],
)
def test_a_helper_that_does_not_serve_is_named_with_the_reason(home: Home, script: str, reason: str) -> None:
    home.helper("desk", script)
    home.config(credsStore="desk")
    found = home.find(OFFICE)
    assert isinstance(found, Unserved)
    assert found.reason.startswith(reason)


def test_a_helper_that_is_not_installed_is_named(home: Home) -> None:
    home.config(credsStore="gone")
    found = home.find(OFFICE)
    assert isinstance(found, Unserved)
    assert found.reason.startswith("docker-credential-gone is not installed")


def test_a_helper_that_does_not_end_is_ended(home: Home) -> None:
    home.helper("slow", "import time; time.sleep(60)")
    home.config(credsStore="slow")
    began = time.monotonic()
    found = home.find(OFFICE, deadline=0.5)
    assert time.monotonic() - began < 10
    assert isinstance(found, Unserved)
    assert found.reason.startswith("docker-credential-slow did not answer within 0.5 seconds")


def test_a_helper_is_a_program_s_name_and_no_path(home: Home) -> None:
    home.config(credsStore="../../evil")
    found = home.find(OFFICE)
    assert isinstance(found, Unserved)
    assert "no program's name" in found.reason


@pytest.mark.parametrize("content", [b"{", b'{"auths": 3}', b"\xff"])
def test_a_damaged_config_is_named_and_not_quoted(home: Home, content: bytes) -> None:
    home.path.write_bytes(content)
    assert home.find(OFFICE) == Unserved(f"{home.path} cannot be read as a docker config")


@pytest.mark.parametrize("auth", ["%%%", encoded("nocolon"), base64.b64encode(b"\xff\xfe").decode()])
def test_a_damaged_entry_is_named(home: Home, auth: str) -> None:
    home.config(auths={"a.example:5000": {"auth": auth}})
    assert home.find(OFFICE) == Unserved(f"the entry in {home.path} is damaged")


def test_docker_config_names_the_folder(home: Home, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text(json.dumps({"auths": {"a.example:5000": {"auth": encoded("mia:p")}}}))
    home.environ["DOCKER_CONFIG"] = str(other)
    assert isinstance(home.find(OFFICE), Credential)


def test_no_config_at_all_is_a_reason(home: Home) -> None:
    assert home.find(OFFICE) == Unserved(f"there is no {home.path}")
