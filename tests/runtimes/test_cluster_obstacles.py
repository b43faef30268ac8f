"""Which clusters Databricks Container Services takes an image on."""

from __future__ import annotations

import pytest

from dbmirror.runtimes.cluster_obstacles import Obstacle, obstacles


def found(**changes: object) -> tuple[Obstacle, ...]:
    facts = {"spark_version": "15.4.x-scala2.12", "node_types": ("m5d.large",), "access_mode": "SINGLE_USER"}
    return obstacles(**{**facts, **changes})


@pytest.mark.parametrize(
    "mode", ["SINGLE_USER", "DATA_SECURITY_MODE_DEDICATED", "DATA_SECURITY_MODE_AUTO", "NONE", None]
)
def test_a_standard_runtime_on_x86_has_no_obstacle_with_access_mode(mode: str | None):
    assert found(access_mode=mode) == ()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"spark_version": "15.4.x-cpu-ml-scala2.12"}, "ML runtimes take no custom image"),
        ({"spark_version": "15.4.x-gpu-ml-scala2.12"}, "ML runtimes take no custom image"),
        ({"use_ml_runtime": True}, "ML runtimes take no custom image"),
        ({"spark_version": "17.3.x-snapshot-scala2.13"}, "the runtime 17.3.x-snapshot-scala2.13 is no released one"),
        ({"spark_version": "custom:acme-15.4"}, "the runtime custom:acme-15.4 is no released one"),
        ({"access_mode": "USER_ISOLATION"}, "custom images need dedicated"),
        ({"access_mode": "DATA_SECURITY_MODE_STANDARD"}, "custom images need dedicated"),
        ({"spark_version": "15.4.x-aarch64-scala2.12"}, "is for arm64"),
    ],
)
def test_an_obstacle_says_what_is_wrong_and_what_would_help(changes: dict[str, object], reason: str):
    (obstacle,) = found(**changes)
    assert reason in obstacle.reason
    assert obstacle.remedy.endswith(".")


@pytest.mark.parametrize(
    "node",
    [
        *("m6gd.large", "c7gn.xlarge", "im4gn.large", "is4gen.2xlarge", "x2gd.medium", "r8g.4xlarge", "a1.large"),
        *("Standard_D4ps_v5", "Standard_E8pds_v6", "Standard_B2pls_v2", "Standard_E16-8pds_v6"),
        *("t2a-standard-4", "c4a-highmem-8", "n4a-standard-2"),
    ],
)
def test_arm_nodes_are_known_by_their_names(node: str):
    (obstacle,) = found(node_types=("m5d.large", node, None))
    assert obstacle.reason == f"{node} is no x86 node type but arm64"


@pytest.mark.parametrize(
    "node",
    [
        *("m5d.large", "i3.xlarge", "g4dn.xlarge", "g5.2xlarge", "m6id.large", "p3.2xlarge", "rd-fleet.xlarge"),
        *("Standard_DS3_v2", "Standard_D4ds_v5", "Standard_NP10s", "Standard_E16-8as_v5", "Standard_NC4as_T4_v3"),
        *("n1-standard-4", "e2-highmem-2", "a2-highgpu-1g", "n2-highmem-4"),
    ],
)
def test_x86_nodes_are_no_obstacle(node: str):
    assert found(node_types=(node, node)) == ()


def test_every_obstacle_is_named_not_only_the_first():
    assert (
        len(found(spark_version="15.4.x-cpu-ml-scala2.12", node_types=("m6g.large",), access_mode="USER_ISOLATION"))
        == 3
    )
