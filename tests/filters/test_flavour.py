"""Which flavour a cluster asks for, and what each one leaves out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbmirror.filters.flavour import Flavour, choose_flavour, official_base, without_python
from dbmirror.filters.model import Verdict
from dbmirror.inventory.layers import Layer
from dbmirror.inventory.model import Distribution, RPackage
from dbmirror.runtimes.lookup import lookup
from dbmirror.snapshot import ClusterLibrary, Snapshot
from tests.builders import a_cluster, a_distribution, a_snapshot, python_selection

NUMPY = a_distribution("numpy", "1.23.5")
PIP = replace(NUMPY, name="pip", spelling="pip", version="23.2.1")
APT = replace(NUMPY, name="dbus-python", layer=Layer.APT, location="/usr/lib/python3/dist-packages")
BASE = RPackage(name="base", version="4.2.2", library="/usr/lib/R/library", priority="base")
MASS = RPackage(name="MASS", version="7.3-58", library="/usr/lib/R/library", priority="recommended")
DPLYR = RPackage(name="dplyr", version="1.1.4", library="/usr/lib/R/site-library")
SPARKR = RPackage(name="SparkR", version="3.5.0", library="/databricks/spark/R/lib")


def snapshot(*distributions: Distribution, r: tuple[RPackage, ...] = (), libraries: tuple[str, ...] = ()) -> Snapshot:
    stated = tuple(ClusterLibrary(kind="cran", specification=name, status="INSTALLED") for name in libraries)
    cluster = a_cluster(libraries=stated)
    return a_snapshot(*distributions, cluster=cluster, r_version="4.2.2" if r else None, r_packages=r)


@pytest.mark.parametrize(
    ("taken", "flavour"),
    [
        (snapshot(NUMPY), Flavour.PYTHON),
        (snapshot(NUMPY, r=(BASE, MASS, SPARKR)), Flavour.PYTHON),
        (snapshot(NUMPY, r=(BASE, MASS, DPLYR)), Flavour.PYTHON_R),
        (snapshot(NUMPY, r=(BASE,), libraries=("dplyr",)), Flavour.PYTHON_R),
        (snapshot(PIP, APT, r=(BASE, DPLYR)), Flavour.R),
    ],
    ids=["no R", "R and nothing beyond it", "R packages", "an R library that did not install", "an empty environment"],
)
def test_the_flavour_follows_what_is_installed(taken: Snapshot, flavour: Flavour) -> None:
    choice = choose_flavour(taken)
    assert choice.flavour is flavour
    assert choice.reason.endswith(".")


def test_both_notebooks_stand_on_the_python_image() -> None:
    runtime = lookup("17.3")
    assert official_base(runtime, Flavour.R) == "databricksruntime/rbase:17.3-LTS"
    assert official_base(runtime, Flavour.PYTHON_R) == official_base(runtime, Flavour.PYTHON)


def test_an_image_for_r_alone_leaves_every_python_package_out_and_says_so() -> None:
    left = without_python(python_selection(snapshot(NUMPY, PIP, r=(BASE,)), repl=frozenset({"numpy"})))
    assert left.kept == ()
    assert [decision.verdict for decision in left.decisions] == [Verdict.DROP] * 2
    assert {decision.rule.name for decision in left.decisions} == {"flavour"}
    assert "python-r" in left.decisions[0].rule.reason
