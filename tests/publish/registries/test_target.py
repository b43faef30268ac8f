from __future__ import annotations

import msgspec
import pytest

from dbmirror.config.registries import RegistryConfig
from dbmirror.publish.registries.errors import TargetError
from dbmirror.publish.registries.resolve import resolve_target
from dbmirror.publish.registries.target import RegistryTarget


def section(text: str) -> RegistryConfig:
    return msgspec.toml.decode(text.encode(), type=RegistryConfig)


def test_a_section_decides_where_an_image_goes() -> None:
    office = section('kind = "oci"\nhost = "Registry.office.example:5000"\nrepository = "data/{mirror}-image"')
    target = resolve_target("office", {"office": office}, {}, mirror="demo")
    assert target == RegistryTarget(
        name="office", kind="oci", host="registry.office.example:5000", repository="data/demo-image"
    )
    assert target.base_url == "https://registry.office.example:5000"
    assert target.reference("15.4-1f") == "registry.office.example:5000/data/demo-image:15.4-1f"


def test_a_section_goes_before_the_environment() -> None:
    acr = section('kind = "acr"\nhost = "configured.azurecr.io"')
    target = resolve_target("acr", {"acr": acr}, {"DBMIRROR_ACR_REGISTRY": "other"}, mirror="demo")
    assert target.full_name == "configured.azurecr.io/dbmirror/demo"


@pytest.mark.parametrize("value", ["team", "team.azurecr.io", "https://team.azurecr.io/"])
@pytest.mark.parametrize("variable", ["DBMIRROR_ACR_REGISTRY", "AZURE_CONTAINER_REGISTRY_ENDPOINT"])
def test_acr_needs_only_the_registry_from_the_environment(variable: str, value: str) -> None:
    target = resolve_target("acr", {}, {variable: value}, mirror="demo")
    assert (target.kind, target.full_name) == ("acr", "team.azurecr.io/dbmirror/demo")


def test_docker_hub_takes_the_namespace_from_the_environment() -> None:
    target = resolve_target("dockerhub", {}, {"DOCKERHUB_USERNAME": "Mia"}, mirror="demo")
    assert (target.kind, target.full_name) == ("dockerhub", "docker.io/mia/demo")
    assert target.base_url == "https://registry-1.docker.io"


def test_docker_hub_takes_a_whole_repository_from_the_environment() -> None:
    environ = {"DBMIRROR_DOCKERHUB_REPOSITORY": "team/golden", "DOCKERHUB_USERNAME": "mia"}
    assert resolve_target("dockerhub", {}, environ, mirror="demo").repository == "team/golden"


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        ("acr", ["DBMIRROR_ACR_REGISTRY", "AZURE_CONTAINER_REGISTRY_ENDPOINT"]),
        ("dockerhub", ["DBMIRROR_DOCKERHUB_REPOSITORY", "DOCKERHUB_NAMESPACE", "DOCKERHUB_USERNAME"]),
    ],
)
def test_what_is_missing_is_named(name: str, variables: list[str]) -> None:
    with pytest.raises(TargetError) as raised:
        resolve_target(name, {}, {}, mirror="demo")
    assert raised.value.exit_code == 2
    assert all(variable in raised.value.message for variable in variables)
    assert f"[registries.{name}]" in raised.value.remedy


def test_an_unknown_name_shows_the_known_ones() -> None:
    with pytest.raises(TargetError, match="No registry is called 'offise'") as raised:
        resolve_target("offise", {"office": section('kind = "oci"\nhost = "a.example"')}, {}, mirror="demo")
    assert "acr, dockerhub, office" in raised.value.remedy


def test_a_section_without_a_host_is_refused() -> None:
    with pytest.raises(TargetError, match=r"\[registries.office\] does not say which registry"):
        resolve_target("office", {"office": section('kind = "oci"')}, {}, mirror="demo")


def test_plain_http_is_for_loopback_only() -> None:
    local = section('kind = "oci"\nhost = "127.0.0.1:5000"\ninsecure = true')
    assert resolve_target("local", {"local": local}, {}, mirror="demo").base_url == "http://127.0.0.1:5000"
    remote = section('kind = "oci"\nhost = "registry.example:5000"\ninsecure = true')
    with pytest.raises(TargetError, match=r"insecure and registry\.example:5000 is not on this machine"):
        resolve_target("remote", {"remote": remote}, {}, mirror="demo")


@pytest.mark.parametrize(
    "host",
    [
        "a.example/path",
        "user:pw@a.example",
        "a.example:port",
        "justaname",
        "",
        "a b.c",
        "a.example:99999",
        "-x.azurecr.io",
        "x-.example",
        "[1:2]",
        "[:::]",
        "a" * 70 + ".example",
        ".".join(["a" * 60] * 6),
    ],
)
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(TargetError):
        resolve_target("x", {"x": RegistryConfig(kind="oci", host=host)}, {}, mirror="demo")


@pytest.mark.parametrize("repository", ["Team/demo", "team//demo", "/demo", "demo:tag", "de mo", "demo\n"])
def test_what_is_no_repository_is_refused(repository: str) -> None:
    with pytest.raises(TargetError, match="for a repository"):
        resolve_target("x", {"x": RegistryConfig(kind="oci", host="a.example", repository=repository)}, {}, mirror="d")


@pytest.mark.parametrize("tag", ["", ".x", "-x", "a:b", "a/b", "a b", "x" * 129, "x\n"])
def test_what_is_no_tag_is_refused(tag: str) -> None:
    with pytest.raises(TargetError):
        RegistryTarget(name="x", kind="oci", host="a.example", repository="demo").reference(tag)


def test_a_section_holds_no_password() -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field `password`"):
        section('kind = "oci"\nhost = "a.example"\npassword = "x"')


@pytest.mark.parametrize("host", ["docker.io", "index.docker.io"])
def test_no_image_gets_the_name_of_databricks_own(host: str) -> None:
    target = RegistryTarget(name="hub", kind="oci", host=host, repository="databricksruntime/mine")
    with pytest.raises(TargetError, match="as Databricks' own images are called"):
        target.check()
    RegistryTarget(name="x", kind="oci", host="registry.example", repository="databricksruntime/mine").check()
