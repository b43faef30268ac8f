"""The layers of a driver, in a miniature of its folders."""

from __future__ import annotations

import json
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

from dbmirror.inventory.assemble import assemble
from dbmirror.inventory.collector_answer import decode
from dbmirror.inventory.layers import Layer
from dbmirror.inventory.model import Inventory
from dbmirror.inventory.sent import collector, python_environment, system

SERIES = f"python{sys.version_info.major}.{sys.version_info.minor}"


class Driver:
    """A driver's folders under `root`, on which the collector's functions run in this process."""

    def __init__(self, root: Path, make_tree: Any) -> None:
        self.root = root
        self.runtime = make_tree(root / "databricks/python3", sees_system=True)
        self.tree = make_tree

    def inventory(self) -> Inventory:
        document = json.dumps(collector.collect(own=False)).encode()
        return assemble(decode(zlib.compress(document), host="driver"), host="driver")


@pytest.fixture
def driver(tmp_path: Path, tree: Any, monkeypatch: pytest.MonkeyPatch) -> Driver:
    root = tmp_path / "root"
    monkeypatch.setattr(python_environment, "DATABRICKS_PYTHON", (f"{root}/databricks/python3",))
    monkeypatch.setattr(python_environment, "OTHER_ENVIRONMENTS", (f"{root}/databricks/python-lsp",))
    monkeypatch.setattr(python_environment, "NOTEBOOKS", ((f"{root}/envs", "pythonEnv-"),))
    monkeypatch.setattr(python_environment, "CLUSTER_LIBRARIES", f"{root}/cluster_libraries")
    monkeypatch.setattr(python_environment, "EDGE_LIBRARIES", f"{root}/edge")
    monkeypatch.setattr(python_environment, "system_packages", lambda _: [f"{root}/usr/lib/python3/dist-packages"])
    monkeypatch.setattr(python_environment, "system_layer", lambda _, *, virtual: "apt" if virtual else "runtime")
    monkeypatch.setattr(system, "DPKG", f"{root}/dpkg")
    monkeypatch.setattr(system, "JARS", f"{root}/jars")
    monkeypatch.setattr(system, "R_LIBRARIES", (f"{root}/R/site", f"{root}/R/library"))
    monkeypatch.setattr(system, "DEPLOY_CONFIGURATION", f"{root}/deploy.conf")
    monkeypatch.setattr(
        system,
        "FACT_FILES",
        {
            "os_release": (f"{root}/os-release",),
            "runtime_version": (f"{root}/DBR_VERSION",),
            "spark_version": (f"{root}/SPARK_VERSION",),
        },
    )
    return Driver(root, type(tree))


def test_each_place_is_a_layer_and_the_nearest_wins(driver: Driver) -> None:
    driver.runtime.install("shared", "1.0")
    driver.runtime.install("runtime-only", "1.0")
    cluster = driver.tree(driver.root / "cluster_libraries/python")
    cluster.install("shared", "2.0")
    notebook = driver.tree(driver.root / "envs/pythonEnv-1234")
    notebook.install("shared", "3.0")
    for folder, name in (("usr/lib/python3/dist-packages", "from-apt"), ("edge", "from-edge")):
        (driver.root / folder).mkdir(parents=True)
        driver.runtime.install(name, "1.0", site=driver.root / folder)

    inventory = driver.inventory()
    assert [(d.name, d.version, d.layer) for d in inventory.distributions] == [
        ("from-apt", "1.0", Layer.APT),
        ("from-edge", "1.0", Layer.EDGE),
        ("runtime-only", "1.0", Layer.RUNTIME),
        ("shared", "3.0", Layer.NOTEBOOK),
        ("shared", "2.0", Layer.CLUSTER),
        ("shared", "1.0", Layer.RUNTIME),
    ]
    assert inventory.effective()["shared"].version == "3.0"
    assert inventory.problems == ()


def test_two_notebooks_may_have_one_package_each(driver: Driver) -> None:
    for number in (1, 2):
        driver.tree(driver.root / f"envs/pythonEnv-{number}").install("shared", f"{number}.0")

    inventory = driver.inventory()
    assert [d.version for d in inventory.distributions] == ["1.0", "2.0"]
    assert len(inventory.notebook_environments()) == 2
    assert inventory.problems == ()


def test_an_editable_installation_belongs_to_its_notebook_and_is_no_environment_of_its_own(
    driver: Driver, tmp_path: Path
) -> None:
    notebook = driver.tree(driver.root / "envs/pythonEnv-1")
    notebook.install("other", "3.0")
    for name in ("modern", "legacy"):
        information = tmp_path / name / f"{name}.egg-info"
        information.mkdir(parents=True)
        (information / "PKG-INFO").write_text(f"Name: {name}\nVersion: 1.0\n")
    (notebook.site / "__editable__.modern-1.0.pth").write_text(f"{tmp_path}/modern\n")
    notebook.install("modern", "1.0")
    (notebook.site / "legacy.egg-link").write_text(f"{tmp_path}/legacy\n.\n")

    inventory = driver.inventory()
    assert [(d.name, d.location) for d in inventory.distributions] == [
        (name, str(notebook.site)) for name in ("legacy", "modern", "other")
    ]
    assert inventory.notebook_environments() == (str(notebook.site),)
    assert inventory.effective()["other"].version == "3.0"
    assert inventory.problems == ()


def test_the_described_python_is_that_of_the_runtime(driver: Driver) -> None:
    lsp = driver.tree(driver.root / "databricks/python-lsp")

    inventory = driver.inventory()
    assert inventory.python.path == str(driver.runtime.python)
    assert [each.path for each in inventory.interpreters] == [str(lsp.python), str(driver.runtime.python)]


def test_a_package_that_pip_and_dpkg_both_see_is_one_package_of_apt(driver: Driver) -> None:
    site = driver.root / "usr/lib/python3/dist-packages"
    site.mkdir(parents=True)
    driver.runtime.install("dbus-python", "1.2.18", site=site)
    twin = site / "dbus_python.egg-info"
    twin.mkdir()
    (twin / "PKG-INFO").write_text("Name: dbus-python\nVersion: 1.2.18\n")
    information = driver.root / "dpkg/info"
    information.mkdir(parents=True)
    (information / "python3-dbus:amd64.list").write_text(
        f"/.\n{site}\n{site}/dbus_python-1.2.18.dist-info\n{site}/dbus_python.egg-info\n"
    )
    (information / "unrelated.list").write_text("/.\n/usr/bin/tool\n")
    (driver.root / "dpkg/status").write_text(
        "Package: python3-dbus\nStatus: install ok installed\nMaintainer: someone\nArchitecture: amd64\n"
        "Version: 1.2.18-3build1\nDescription: long\n text\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n"
    )

    inventory = driver.inventory()
    (distribution,) = inventory.distributions
    assert distribution.apt_package == "python3-dbus"
    assert [(p.name, p.version, p.architecture) for p in inventory.debian_packages] == [
        ("python3-dbus", "1.2.18-3build1", "amd64")
    ]
    assert inventory.problems == ()


def test_r_packages_come_from_their_descriptions(driver: Driver) -> None:
    for library, name, more in (
        ("R/library", "base", "Priority: base\n"),
        ("R/site", "ggplot2", "Repository: CRAN\nDepends: R (>= 3.5)\nImports: grid,\n    rlang (>= 1.1.0)\n"),
    ):
        folder = driver.root / library / name
        folder.mkdir(parents=True)
        (folder / "DESCRIPTION").write_text(f"Package: {name}\nVersion: 4.3.2\nAuthors@R: x\n{more}")
    (driver.root / "R/site/not-a-package").mkdir()
    (driver.root / "R/site/broken").mkdir()
    (driver.root / "R/site/broken/DESCRIPTION").write_text("Package: bro ken\nVersion: 1\n")

    inventory = driver.inventory()
    assert inventory.r_version == "4.3.2"
    assert [(p.name, p.depends, p.repository) for p in inventory.r_packages] == [
        ("base", (), None),
        ("ggplot2", ("grid", "rlang"), "CRAN"),
    ]
    assert [problem.path for problem in inventory.problems] == [f"{driver.root}/R/site/broken"]


def test_more_jars_than_are_read_are_a_problem_and_not_passed_over(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "FOLDER_LIMIT", 2)
    (driver.root / "jars").mkdir()
    for name in ("a.jar", "b.jar"):
        (driver.root / "jars" / name).touch()
    assert driver.inventory().problems == ()
    (driver.root / "jars" / "c.jar").touch()
    inventory = driver.inventory()
    assert [Path(jar.path).name for jar in inventory.jars] == ["a.jar", "b.jar"]
    (problem,) = inventory.problems
    assert problem.path == f"{driver.root}/jars"
    assert "has more than 2 jars; the rest was not read" in problem.reason


def test_jars_and_facts_of_the_runtime(driver: Driver) -> None:
    (driver.root / "jars").mkdir()
    for name in (
        "----ws_3_5--mvn--hadoop3--org.scala-lang--scala-library_2.12--org.scala-lang__scala-library__2.12.18.jar",
        "user-library_2.13.jar",
        "notes.txt",
    ):
        (driver.root / "jars" / name).touch()
    (driver.root / "os-release").write_text('ID=ubuntu\nVERSION_ID="22.04"\n')
    (driver.root / "DBR_VERSION").write_text("15.4\n")
    (driver.root / "SPARK_VERSION").write_text("3.5.0")

    inventory = driver.inventory()
    assert [(jar.group, jar.artifact, jar.version) for jar in inventory.jars] == [
        ("org.scala-lang", "scala-library", "2.12.18"),
        (None, None, None),
    ]
    assert (inventory.os_id, inventory.os_version) == ("ubuntu", "22.04")
    assert (inventory.runtime_version, inventory.spark_version) == ("15.4", "3.5.0")
    assert inventory.scala_version == "2.12"


def test_of_deploy_conf_only_the_scala_version_is_read(driver: Driver) -> None:
    (driver.root / "deploy.conf").write_text(
        'token = "canary-1"\nversion = "15.4.x-scala2.12"\npassword = "canary-2"\n'
    )

    document = json.dumps(collector.collect(own=False))
    assert '"scala": "2.12"' in document
    assert "canary" not in document


def test_a_driver_without_r_dpkg_and_jars_has_none(driver: Driver) -> None:
    inventory = driver.inventory()

    assert (inventory.r_version, inventory.r_packages, inventory.debian_packages, inventory.jars) == (None, (), (), ())
    assert (inventory.os_id, inventory.problems) == ("unknown", ())


def test_a_folder_that_cannot_be_listed_is_a_problem_with_its_layer(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = driver.tree(driver.root / "cluster_libraries/python")
    listdir = python_environment.os.listdir

    def refuse(folder: str) -> list[str]:
        # A mode cannot keep root from reading, and the tests may run as root.
        if folder == str(cluster.site):
            raise PermissionError(13, "Permission denied")
        return listdir(folder)

    monkeypatch.setattr(python_environment.os, "listdir", refuse)
    (problem,) = driver.inventory().problems
    assert (problem.path, problem.layer) == (str(cluster.site), Layer.CLUSTER)
    assert "Permission denied" in problem.reason
