"""Runtimes that are known in part or not at all, completed from the cluster and from the nearest known one."""

from __future__ import annotations

import pytest

from dbmirror.runtimes.derived import OnCluster, runtime_of
from dbmirror.runtimes.lookup import lookup

NOBLE = OnCluster(
    python="3.12.3",
    runtime="18.3",
    ubuntu="24.04",
    java="21.0.4",
    scala="2.13",
    spark="4.1.0",
    r="4.5.1",
    packages={"numpy": "2.3.1", "ipykernel": "6.30.0", "acme": "1.0"},
)
JAMMY = OnCluster(python="3.10.12", runtime="14.1", ubuntu="22.04", java="1.8.0_412")


@pytest.mark.parametrize("release", ["15.4", "17.3"])
def test_a_runtime_that_is_known_is_what_its_facts_say(release: str) -> None:
    assert runtime_of(release, NOBLE) == (lookup(release), "")


def test_what_the_facts_leave_out_is_the_clusters_with_a_note() -> None:
    runtime, note = runtime_of("18.3", NOBLE)
    assert (runtime.version, runtime.ubuntu, runtime.java, runtime.spark, runtime.r) == (
        "18.3",
        "24.04",
        (21,),
        "4.1.0",
        "4.5.1",
    )
    assert runtime.official_image == "databricksruntime/python:18.3-LTS"
    assert dict(runtime.repl) == {"ipykernel": "6.30.0", "numpy": "2.3.1"}
    assert "runtime 18.3" not in note
    assert "Databricks Runtime 18.3" in note
    assert "runtime 17.3" in note


def test_an_unknown_runtime_takes_tools_and_image_of_the_nearest_of_its_python() -> None:
    runtime, note = runtime_of("14.1", JAMMY)
    near = lookup("14.3")
    assert (runtime.version, runtime.python, runtime.ubuntu, runtime.java) == ("14.1", "3.10", "22.04", (8,))
    assert (runtime.tools, runtime.tool_requirements) == (near.tools, near.tool_requirements)
    assert runtime.official_image == near.official_image
    assert runtime.official_r_image == "databricksruntime/rbase:14.3-LTS"
    assert "runtime 14.3" in note


@pytest.mark.parametrize(
    ("release", "stated", "version"),
    [
        ("18", "18.3", "18.3"),
        ("18", "18.1", "18.1"),
        ("18", None, "18.3"),
        ("19", None, "19.0"),
        ("21", "image", "21.0"),
    ],
)
def test_a_rolling_key_is_the_release_that_the_driver_states(release: str, stated: str | None, version: str) -> None:
    runtime, note = runtime_of(release, OnCluster(python="3.12.3", runtime=stated))
    assert runtime.version == version
    assert note


def test_a_cluster_that_is_no_ubuntu_and_has_no_java_leaves_them_unknown() -> None:
    runtime, _ = runtime_of("20.1", OnCluster(python="3.13.1"))
    assert (runtime.python, runtime.ubuntu, runtime.java) == ("3.13", None, ())
    assert runtime.tools is not None
