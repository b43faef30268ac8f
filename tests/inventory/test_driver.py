"""A whole driver at once: the files of the sandbox's, captured, a few packages of each layer (driver/capture.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbmirror.inventory.layers import Layer
from dbmirror.inventory.model import Inventory
from tests.builders import a_snapshot
from tests.inventory.driver.host import TREE, collect_driver, driver_tree

PRIVATE = "databricks/python3/lib/python3.11/site-packages/dbmirror_sandbox_numbers-2.0.1+local.7.dist-info"


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Inventory:
    return collect_driver(driver_tree(tmp_path_factory.mktemp("captured")))


def versions(driver: Inventory, name: str) -> list[tuple[str, str]]:
    return [(str(found.layer), found.version) for found in driver.distributions if found.name == name]


def test_what_kind_of_driver_it_is(driver: Inventory) -> None:
    assert (driver.runtime_version, driver.spark_version, driver.scala_version) == ("15.4", "3.5.0", "2.12")
    assert (driver.os_id, driver.os_version) == ("debian", "12")
    assert (driver.python.path, driver.python.version) == ("/databricks/python3/bin/python3", "3.11.2")
    assert driver.r_version == "4.2.2"


def test_every_layer_of_python_is_found_under_the_drivers_own_paths(driver: Inventory) -> None:
    layers = {str(found.layer) for found in driver.distributions}
    assert layers == {"notebook", "cluster", "runtime", "local", "apt", "edge"}
    assert versions(driver, "certifi") == [("cluster", "2024.7.4"), ("runtime", "2023.7.22")]
    assert versions(driver, "six") == [("runtime", "1.16.0"), ("edge", "1.15.0")]
    assert versions(driver, "humanize") == [("notebook", "4.7.0")]
    assert all(found.location.startswith(("/databricks/", "/local_disk0/", "/usr/")) for found in driver.distributions)


def test_apt_owns_what_it_installed_of_python_and_r(driver: Inventory) -> None:
    owned = {found.name: found.apt_package for found in driver.distributions if found.apt_package}
    assert owned == {
        "dbus-python": "python3-dbus",
        "distro-info": "python3-distro-info",
        "python-apt": "python3-apt",
    }
    owners = {found.name: found.apt_package for found in driver.r_packages if found.apt_package}
    assert owners == {
        "MASS": "r-cran-mass",
        "R6": "r-cran-r6",
        "base": "r-base-core",
        "base64enc": "r-cran-base64enc",
        "utils": "r-base-core",
    }
    assert "r-base-core" in {package.name for package in driver.debian_packages}


def test_what_came_from_an_address_says_which(driver: Inventory) -> None:
    urls = {found.name: found.direct_url for found in driver.distributions if found.direct_url}
    metrics, forecast = urls["dbmirror-sandbox-metrics"], urls["dbmirror-sandbox-forecast"]
    assert metrics is not None
    assert (metrics.vcs, metrics.commit) == ("git", "505b3dd595fd914419012925fd7c8b5aede73f60")
    assert forecast is not None
    assert forecast.url.startswith("file:///Volumes/")
    assert forecast.sha256 is not None
    (remote,) = (found.remote for found in driver.r_packages if found.remote)
    assert dict(remote)["RemoteType"] == "git"


def test_the_nearest_library_of_r_comes_with_its_layer(driver: Inventory) -> None:
    found = {(str(package.layer), package.name): package.version for package in driver.r_packages}
    assert found["cluster", "sandboxGreeting"] == "1.2.0"
    assert found["runtime", "sandboxGreeting"] == "1.0.0"
    assert found["platform", "SparkR"] == "3.5.0"
    assert found["r-itself", "base"] == "4.2.2"


def test_a_jars_name_says_what_it_is_where_it_can(driver: Inventory) -> None:
    known = {jar.artifact: jar.version for jar in driver.jars if jar.artifact}
    assert known["delta-sharing-spark_2.12"] == "3.1.0"
    assert [jar.path for jar in driver.jars if not jar.artifact] == [
        "/databricks/jars/----ws_3_5--core--core-hive-2.3__hadoop-3.2_2.12_deploy.jar",
        "/databricks/jars/acme-udfs_2.12-1.0.jar",
    ]


def test_a_distribution_that_was_removed_by_half_is_a_problem_with_its_name(driver: Inventory) -> None:
    assert [(problem.name, problem.layer) for problem in driver.problems] == [("half-removed", Layer.RUNTIME)]


def test_a_second_look_finds_the_same_and_a_change_is_seen(driver: Inventory, tmp_path: Path) -> None:
    root = driver_tree(tmp_path)
    digest = a_snapshot(inventory=driver).digest
    assert a_snapshot(inventory=collect_driver(root)).digest == digest
    metadata = root / PRIVATE / "METADATA"
    metadata.write_text(metadata.read_text().replace("2.0.1+local.7", "2.0.1+local.8"))
    changed = collect_driver(root)
    assert versions(changed, "dbmirror-sandbox-numbers") == [("runtime", "2.0.1+local.8")]
    assert a_snapshot(inventory=changed).digest != digest


def test_nothing_of_a_users_own_machine_is_in_the_captured_files() -> None:
    for path in TREE.rglob("*"):
        if path.is_file():
            assert b"172." not in path.read_bytes(), path
