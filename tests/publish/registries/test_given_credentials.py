from __future__ import annotations

import pytest

from dbmirror.publish.registries.credential import Credential, Unserved
from dbmirror.publish.registries.errors import TargetError
from dbmirror.publish.registries.given_credentials import credential_from_environment, credential_from_stdin
from dbmirror.publish.registries.kinds import kind_named
from dbmirror.publish.registries.kinds.acr import NULL_USER
from dbmirror.publish.registries.target import RegistryTarget

OFFICE = RegistryTarget(name="my-office", kind="oci", host="a.example", repository="team/demo")
HUB = RegistryTarget(name="dockerhub", kind="dockerhub", host="docker.io", repository="team/demo")
ACR = RegistryTarget(name="acr", kind="acr", host="team.azurecr.io", repository="demo")


def test_every_target_has_its_own_variables() -> None:
    environ = {"DBMIRROR_MY_OFFICE_USERNAME": "mia", "DBMIRROR_MY_OFFICE_PASSWORD": "p"}
    found = credential_from_environment(OFFICE, environ)
    assert found == Credential(username="mia", secret="p", source="DBMIRROR_MY_OFFICE_PASSWORD", explicit=True)


@pytest.mark.parametrize("variable", ["DOCKERHUB_TOKEN", "DOCKERHUB_PASSWORD"])
def test_docker_hub_has_its_customary_variables_too(variable: str) -> None:
    found = credential_from_environment(HUB, {"DOCKERHUB_USERNAME": "mia", variable: "p"})
    assert isinstance(found, Credential)
    assert (found.username, found.source) == ("mia", variable)


def test_the_section_may_say_who_logs_in() -> None:
    target = RegistryTarget(name="office", kind="oci", host="a.example", repository="demo", username="mia")
    found = credential_from_environment(target, {"DBMIRROR_OFFICE_PASSWORD": "p"})
    assert isinstance(found, Credential)
    assert found.username == "mia"


def test_variables_that_are_not_set_are_named() -> None:
    assert credential_from_environment(OFFICE, {}) == Unserved("DBMIRROR_MY_OFFICE_PASSWORD is not set")
    assert credential_from_environment(HUB, {"DOCKERHUB_USERNAME": "mia"}) == Unserved(
        "DBMIRROR_DOCKERHUB_PASSWORD and DOCKERHUB_TOKEN are not set"
    )


def test_a_password_without_a_user_is_named() -> None:
    found = credential_from_environment(HUB, {"DOCKERHUB_TOKEN": "p"})
    assert found == Unserved("DOCKERHUB_TOKEN is set, DOCKERHUB_USERNAME is not")


@pytest.mark.parametrize(
    ("target", "environ", "username"),
    [
        (OFFICE, {"DBMIRROR_MY_OFFICE_USERNAME": "mia"}, "mia"),
        (HUB, {"DOCKERHUB_USERNAME": "mia"}, "mia"),
        (HUB, {}, "team"),
        (ACR, {}, NULL_USER),
    ],
)
def test_a_password_on_stdin_gets_its_user(target: RegistryTarget, environ: dict[str, str], username: str) -> None:
    found = credential_from_stdin(target, environ, "p w\r\n", kind=kind_named(target.kind))
    assert (found.username, found.secret, found.explicit) == (username, "p w", True)


def test_a_password_on_stdin_that_has_no_user_is_refused() -> None:
    with pytest.raises(TargetError, match="does not say who logs in") as raised:
        credential_from_stdin(OFFICE, {}, "p", kind=kind_named(OFFICE.kind))
    assert "DBMIRROR_MY_OFFICE_USERNAME" in raised.value.remedy


def test_an_empty_password_on_stdin_is_refused() -> None:
    with pytest.raises(TargetError, match="empty"):
        credential_from_stdin(ACR, {}, "\n", kind=kind_named(ACR.kind))
