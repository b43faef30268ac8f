"""The order in which R packages are installed, and what versions are the same."""

import itertools

import pytest

from dbmirror.lock.r.errors import CircularDependencies
from dbmirror.lock.r.model import LockedRPackage, RAptPackage
from dbmirror.lock.r.order import install_order
from dbmirror.lock.r.versions import minor, same_version


def package(name: str, *depends: str) -> LockedRPackage:
    return LockedRPackage(
        name=name, version="1.0", source=RAptPackage(package="r-cran-x", version="1.0"), depends=depends
    )


def test_what_is_required_comes_before_and_the_rest_at_the_same_time() -> None:
    groups = install_order([package("c", "b", "methods"), package("b", "a"), package("d"), package("a")])
    assert [[each.name for each in group] for group in groups] == [["a", "d"], ["b"], ["c"]]


def test_a_circle_is_named_in_the_order_in_which_each_requires_the_next() -> None:
    with pytest.raises(CircularDependencies) as caught:
        install_order([package("a", "b"), package("b", "c"), package("c", "a"), package("d")])
    circle = str(caught.value).split(": ")[1].split(".")[0].split(" → ")
    assert len(circle) == 4
    assert all(pair in {("a", "b"), ("b", "c"), ("c", "a")} for pair in itertools.pairwise(circle))


def test_versions_are_compared_as_r_does() -> None:
    assert same_version("1.0-3", "1.0.3")
    assert not same_version("1.0-3", "1.0.30")
    assert not same_version("1.0", "1.0.0~x")
    assert minor("4.4.2") == (4, 4)
