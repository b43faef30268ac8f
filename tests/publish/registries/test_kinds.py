from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from dbmirror.publish.registries import kinds
from dbmirror.publish.registries.config import RegistryConfig
from dbmirror.publish.registries.errors import TargetError
from dbmirror.publish.registries.kind import RegistryKind
from dbmirror.publish.registries.kinds import KINDS, kind_named
from dbmirror.publish.registries.resolve import resolve_target

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
        assert f'"{name}"' not in path.read_text().replace('Meta(examples=["acr"])', ""), path.name


def test_a_section_of_no_known_kind_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(msgspec.ValidationError, match="no kind 'ecr'; known are acr, dockerhub, oci"):
        msgspec.toml.decode('kind = "ecr"', type=RegistryConfig)
