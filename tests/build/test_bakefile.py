"""The bake file of many mirrors: deterministic, fit to be committed, and hostile to hostile names."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

import pytest

from dbmirror.build.bakefile import SECRET_VARIABLES, BakeTarget, render_bakefile, target_name
from dbmirror.render.errors import RenderError


def target(mirror: str, **more: Any) -> BakeTarget:
    fields: dict[str, Any] = {
        "context": PurePosixPath(f"mirrors/{mirror}/image"),
        "tags": (f"dbmirror/{mirror}:15.4-0123456789ab",),
        "labels": {},
        **more,
    }
    return BakeTarget(mirror=mirror, **fields)


def rendered(*targets: BakeTarget) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(render_bakefile(targets))
    return document


def test_every_mirror_is_a_target_of_the_default_group_with_its_context_and_tag() -> None:
    document = rendered(target("sales"), target("demo"))
    assert document["group"]["default"]["targets"] == ["demo", "sales"]
    demo = document["target"]["demo"]
    assert demo["context"] == "mirrors/demo/image"
    assert demo["tags"] == ["dbmirror/demo:15.4-0123456789ab"]


def test_every_target_is_for_the_clusters_platform_loaded_and_without_attestations() -> None:
    document = rendered(target("demo"))
    shared = document["target"][document["target"]["demo"]["inherits"][0]]
    assert shared["platforms"] == ["linux/amd64"]
    assert shared["output"] == ["type=docker"]
    assert shared["attest"] == ["type=provenance,disabled=true", "type=sbom,disabled=true"]


def test_the_same_mirrors_in_any_order_give_the_same_bytes() -> None:
    assert render_bakefile([target("a"), target("b")]) == render_bakefile([target("b"), target("a")])


def test_secrets_are_variables_that_are_empty_unless_the_environment_sets_them() -> None:
    document = rendered(target("demo"))
    assert document["variable"] == {variable: {"default": ""} for variable in SECRET_VARIABLES.values()}
    for secret, variable in SECRET_VARIABLES.items():
        assert f'"{secret}" = {variable}' in document["target"]["_mirror"]["secret"]


def test_a_path_of_this_machine_cannot_be_written() -> None:
    with pytest.raises(RenderError, match="a path of this machine"):
        render_bakefile([target("demo", context=PurePosixPath("/home/mia/mirrors/demo/image"))])


def test_a_mirror_cannot_stand_there_twice() -> None:
    with pytest.raises(RenderError, match="twice"):
        render_bakefile([target("demo"), target("demo")])


@pytest.mark.parametrize("name", ["", "a b", "_mirror", "a/b", 'a"b', "a${b}", "A", "a\n", "a..b", "a__b"])
def test_what_is_no_mirrors_name_is_refused(name: str) -> None:
    with pytest.raises(RenderError, match="not a mirror's name"):
        target_name(name)


def test_no_two_mirrors_share_a_target_and_none_shadows_the_group() -> None:
    names = ["a.b", "a_b", "a-b", "ab", "default"]
    assert len({target_name(name) for name in names}) == len(names)
    assert target_name("default") != "default"
    assert all(character.isalnum() or character in "_-" for name in names for character in target_name(name))


def test_nothing_in_a_value_is_evaluated() -> None:
    demo = rendered(target("demo", labels={"k${1+1}": "v ${env} %{if true}"}))["target"]["demo"]
    assert demo["labels"] == {"k$${1+1}": "v $${env} %%{if true}"}
