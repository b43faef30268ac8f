"""Two inventories, compared."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from dbmirror.inventory.compare import UNREADABLE, Changed, Section, compare
from dbmirror.inventory.layers import Layer
from dbmirror.inventory.model import (
    UNKNOWN,
    UNKNOWN_PYTHON,
    DebianPackage,
    DirectUrl,
    Distribution,
    Inventory,
    Jar,
    Problem,
)
from tests.builders import a_snapshot, an_inventory, an_r_package, r_selection

EMPTY = an_inventory()


def distribution(
    name: str, version: str, layer: Layer = Layer.RUNTIME, *, url: DirectUrl | None = None
) -> Distribution:
    return Distribution(name=name, spelling=name, version=version, layer=layer, location=f"/{layer}", direct_url=url)


def with_python(*distributions: Distribution) -> Inventory:
    return replace(EMPTY, distributions=distributions)


def test_equal_inventories_are_equal() -> None:
    found = compare(with_python(distribution("a", "1.0")), with_python(distribution("a", "1.0")))

    assert found.is_equal
    assert found.python == Section(same=(("a", "1.0"),))
    assert ("python", "3.11.11") in found.facts.same


def test_a_package_is_only_here_only_there_changed_or_the_same() -> None:
    a = with_python(distribution("left", "1"), distribution("moved", "1"), distribution("still", "1"))
    b = with_python(distribution("moved", "2"), distribution("right", "1"), distribution("still", "1"))

    assert compare(a, b).python == Section(
        only_in_a=(("left", "1"),),
        only_in_b=(("right", "1"),),
        changed=(Changed(name="moved", a="1", b="2"),),
        same=(("still", "1"),),
    )


def test_only_the_nearest_layer_counts() -> None:
    a = with_python(distribution("a", "2", Layer.CLUSTER), distribution("a", "1", Layer.RUNTIME))

    assert compare(a, with_python(distribution("a", "2"))).is_equal


def test_two_spellings_of_one_version_are_the_same() -> None:
    assert compare(with_python(distribution("a", "1.0")), with_python(distribution("a", "1.0.0"))).is_equal


def test_a_local_version_is_another_version() -> None:
    assert not compare(with_python(distribution("a", "1.0")), with_python(distribution("a", "1.0+cpu"))).is_equal


def test_one_version_of_two_commits_is_a_change() -> None:
    first, second = (
        with_python(distribution("a", "1.0", url=DirectUrl(url="https://git.example/a", vcs="git", commit=digit * 40)))
        for digit in "12"
    )

    assert compare(first, second).python.changed == (Changed(name="a", a="1.0 @ " + "1" * 40, b="1.0 @ " + "2" * 40),)
    assert compare(first, with_python(distribution("a", "1.0"))).is_equal


def test_what_cannot_be_read_is_there_all_the_same() -> None:
    broken = replace(EMPTY, problems=(Problem(path="/x", reason="broken", name="a", layer=Layer.RUNTIME),))

    assert compare(with_python(distribution("a", "1.0")), broken).python.changed == (
        Changed(name="a", a="1.0", b=UNREADABLE),
    )


R_LIBRARIES = (
    "/local_disk0/.ephemeral_nfs/envs/rEnv-1234",
    "/local_disk0/.ephemeral_nfs/cluster_libraries/r",
    "/usr/local/lib/R/site-library",
    "/usr/lib/R/site-library",
    "/usr/lib/R/library",
    "/usr/local/lib/R/library",
    "/databricks/spark/R/lib",
)
"""The order of .libPaths() on a driver with one R notebook; the platform's library, second there, stands back."""


@pytest.mark.parametrize(("nearer", "farther"), list(pairwise(R_LIBRARIES)))
def test_of_an_r_package_in_two_libraries_the_nearest_counts(nearer: str, farther: str) -> None:
    a = an_inventory(r_packages=(an_r_package("dplyr", "1.0", farther), an_r_package("dplyr", "2.0", nearer)))

    assert a.effective_r()["dplyr"].library == nearer
    assert compare(a, an_inventory(r_packages=(an_r_package("dplyr", "2.0", "/opt/R/library"),))).is_equal


def test_a_comparison_names_the_version_of_an_r_package_that_is_mirrored() -> None:
    copies = (
        an_r_package("jsonlite", "1.9.0", "/local_disk0/.ephemeral_nfs/envs/rEnv-1234"),
        an_r_package("jsonlite", "1.8.0", "/usr/local/lib/R/site-library"),
    )
    cluster = an_inventory(r_packages=copies)
    image = an_inventory(r_packages=(an_r_package("jsonlite", "1.8.0", "/usr/local/lib/R/site-library"),))

    assert [kept.version for kept in r_selection(a_snapshot(inventory=cluster)).kept] == ["1.9.0"]
    assert compare(cluster, image).r.changed == (Changed(name="jsonlite", a="1.9.0", b="1.8.0"),)


def test_of_several_notebooks_no_package_counts_but_that_of_the_chosen_one() -> None:
    notebooks = [f"/local_disk0/.ephemeral_nfs/envs/rEnv-{number}" for number in "12"]
    copies = tuple(an_r_package("dplyr", str(number), library) for number, library in enumerate(notebooks, start=1))
    found = an_inventory(r_packages=(*copies, an_r_package("dplyr", "0.1")))

    assert found.notebook_environments() == tuple(notebooks)
    assert found.effective_r()["dplyr"].version == "0.1"
    assert found.effective_r(notebooks[1])["dplyr"].version == "2"


def test_debian_packages_jars_and_facts_are_compared() -> None:
    a = replace(
        EMPTY,
        debian_packages=(DebianPackage(name="libc6", version="2.35"),),
        jars=(Jar(path="/databricks/jars/x--g__a__1.jar", group="g", artifact="a", version="1"),),
        java_version="17.0.16",
    )
    b = replace(
        EMPTY,
        os_version="24.04",
        debian_packages=(DebianPackage(name="libc6", version="2.39"),),
        jars=(
            Jar(path="/databricks/jars/y--g__a__2.jar", group="g", artifact="a", version="2"),
            Jar(path="/databricks/jars/mine.jar"),
        ),
    )

    found = compare(a, b)
    assert found.debian.changed == (Changed(name="libc6", a="2.35", b="2.39"),)
    assert found.jars.changed == (Changed(name="g:a", a="1", b="2"),)
    assert found.jars.only_in_b == (("mine.jar", "present"),)
    assert found.facts.changed == (Changed(name="operating system", a="ubuntu 22.04", b="ubuntu 24.04"),)
    assert found.facts.only_in_a == (("java", "17.0.16"),)


def _listed(name: str, stated: str) -> Inventory:
    return replace(EMPTY, problems=(Problem(path="list:1", reason="it is a range", name=name, stated=stated),))


@pytest.mark.parametrize("stated", [">=1,<2", "~=1.4", "any version"])
def test_a_range_that_the_other_sides_version_is_within_is_no_difference(stated: str) -> None:
    found = compare(_listed("a", stated), with_python(distribution("a", "1.5")))

    assert found.python == Section(allowed=(Changed(name="a", a=stated, b="1.5"),))
    assert found.python.is_equal


@pytest.mark.parametrize("stated", [">=2", "git+https://git.example/a.git@abc"])
def test_what_is_stated_otherwise_than_the_other_sides_version_differs(stated: str) -> None:
    found = compare(with_python(distribution("a", "1.5")), _listed("a", stated))

    assert found.python == Section(changed=(Changed(name="a", a="1.5", b=stated),))


def test_what_a_source_cannot_know_is_not_compared() -> None:
    unknown = replace(EMPTY, os_id=UNKNOWN, os_version=UNKNOWN, architecture=UNKNOWN, python=UNKNOWN_PYTHON, glibc=None)
    assert compare(unknown, EMPTY).facts.changed == ()
    assert "python" not in dict(compare(unknown, unknown).facts.same)
