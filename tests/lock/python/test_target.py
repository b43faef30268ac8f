"""What the cluster can install, whatever this machine is."""

from collections.abc import Callable

import pytest

from dbmirror.inventory.model import Inventory
from dbmirror.lock.errors import LockError
from dbmirror.lock.model import Target
from dbmirror.lock.python.target import target_of, wheel_tags

Inventories = Callable[..., Inventory]


def platforms(target: Target) -> list[str]:
    return list(dict.fromkeys(tag.platform for tag in wheel_tags(target)))


def test_the_target_is_the_clusters_python_and_glibc(inventory: Inventories) -> None:
    assert target_of(inventory()) == Target(python="3.11.11", architecture="x86_64", glibc="2.35")


def test_an_older_glibc_of_the_base_counts_by_number(inventory: Inventories) -> None:
    assert target_of(inventory(glibc="2.35"), inventory(glibc="2.9")).glibc == "2.9"
    assert target_of(inventory(glibc="2.35"), inventory(glibc="2.39")).glibc == "2.35"


def test_a_cluster_without_glibc_has_no_wheels(inventory: Inventories) -> None:
    with pytest.raises(LockError, match="glibc"):
        target_of(inventory(glibc=None))


def test_platforms_go_from_the_clusters_glibc_down_with_the_old_names_beside_their_new_ones() -> None:
    found = platforms(Target(python="3.11.11", architecture="x86_64", glibc="2.18"))
    assert found[:4] == [
        "manylinux_2_18_x86_64",
        "manylinux_2_17_x86_64",
        "manylinux2014_x86_64",
        "manylinux_2_16_x86_64",
    ]
    assert found[-4:] == ["manylinux_2_5_x86_64", "manylinux1_x86_64", "linux_x86_64", "any"]


def test_other_architectures_have_no_platforms_older_than_2_17() -> None:
    found = platforms(Target(python="3.12.3", architecture="aarch64", glibc="2.18"))
    assert found == [
        "manylinux_2_18_aarch64",
        "manylinux_2_17_aarch64",
        "manylinux2014_aarch64",
        "linux_aarch64",
        "any",
    ]


def test_a_release_candidate_is_of_its_minor_version() -> None:
    tags = [str(tag) for tag in wheel_tags(Target(python="3.11.0rc1", architecture="x86_64", glibc="2.35"))]
    assert tags[0] == "cp311-cp311-manylinux_2_35_x86_64"
    assert "cp311-none-any" in tags
    assert "cp310-abi3-manylinux2014_x86_64" in tags
    assert "py3-none-any" in tags
    assert not any(tag.startswith("cp312") for tag in tags)
