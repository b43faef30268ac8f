from __future__ import annotations

from pathlib import Path

import pytest

from dbmirror.config.registries import RegistryConfig
from dbmirror.publish.registries import kinds
from dbmirror.publish.registries.errors import TargetError
from dbmirror.publish.registries.kind import RegistryKind
from dbmirror.publish.registries.kinds import KINDS, kind_named
from dbmirror.publish.registries.resolve import location_variable, resolve_target

OWN_FILES = Path(kinds.__file__).parent


def test_every_module_of_the_folder_is_a_kind_and_no_other_is() -> None:
    assert set(KINDS) == {"acr", "dockerhub", "oci"}
    assert {path.stem for path in OWN_FILES.glob("*.py")} == {*KINDS, "__init__"}


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_says_where_an_image_goes_without_a_section_or_that_it_needs_one(name: str) -> None:
    kind = kind_named(name)
    assert isinstance(kind, RegistryKind)
    with pytest.raises(TargetError, match=r"none of DBMIRROR_|No registry is called"):
        resolve_target(name, {}, {}, mirror="demo")
    assert f'kind = "{name}"' in kind.example


@pytest.mark.parametrize("name", KINDS)
def test_no_other_module_of_the_room_names_a_kind(name: str) -> None:
    for path in OWN_FILES.parent.glob("*.py"):
        assert f'"{name}"' not in path.read_text(), path.name


def test_a_section_of_no_known_kind_is_refused_with_those_that_are_known() -> None:
    sections = {"office": RegistryConfig(kind="ecr", host="registry.example")}
    with pytest.raises(TargetError, match="the kind 'ecr'") as raised:
        resolve_target("office", sections, {}, mirror="demo")
    assert "acr, dockerhub, oci" in raised.value.remedy


@pytest.mark.parametrize(
    ("name", "variable"),
    [("acr", "DBMIRROR_ACR_REGISTRY"), ("dockerhub", "DBMIRROR_DOCKERHUB_REPOSITORY"), ("oci", None), ("office", None)],
)
def test_a_pipeline_is_told_by_which_variable_a_registry_is_found(name: str, variable: str | None) -> None:
    assert location_variable(name, {}) == variable
    assert location_variable(name, {name: RegistryConfig(kind="oci", host="registry.example")}) is None
