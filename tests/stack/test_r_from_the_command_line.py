"""`dbmirror build demo` for a cluster with R, end to end, as a user runs it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dbmirror.sandbox.base import BASE_IMAGE
from dbmirror.sandbox.r_repository import ARCHIVED, CURRENT, SourcePackage, make_repository, source_package
from tests.stack.conftest import LIGHT, Done, User, copy_what_is_committed_and_fetched, new_user, tree

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def user(r_user: User) -> User:
    """A user who has a sandbox with R up."""
    return r_user


@pytest.fixture(scope="module")
def built(r_built: Done) -> Done:
    return r_built


@pytest.fixture(scope="module")
def inventory(built: Done, user: User) -> dict[str, Any]:
    snapshot = json.loads((user.folder / "mirrors" / "demo" / "snapshot.json").read_text())
    found: dict[str, Any] = snapshot["inventory"]
    return found


def found_on_the_cluster(inventory: dict[str, Any]) -> int:
    return sum(len(inventory[kind]) for kind in ("distributions", "problems", "r_packages"))


def every_fate(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [*document["fates"], *document["r_fates"]]


def in_image(built: Done, *argv: str) -> str:
    argv = ("docker", "run", "--rm", "--network", "none", built.document["image"]["tag"], *argv)
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=180, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def test_the_flavour_is_what_the_cluster_has_and_the_image_is_verified(built: Done) -> None:
    document = built.document
    assert document["flavour"] == "python-r"
    assert document["verification"]["passed"] is True
    checked = document["verification"]["report"]["r_packages"]
    assert len(checked) >= sum(fate["kind"] in {"mirrored", "provided"} for fate in document["r_fates"])
    assert all(check["expected"] == check["found"] and not check.get("error") for check in checked)


def test_every_package_of_either_language_has_one_fate(built: Done, inventory: dict[str, Any]) -> None:
    document = built.document
    assert sum(document["counts"].values()) == len(every_fate(document)) == found_on_the_cluster(inventory)
    places = [(fate["name"], fate["version"], fate["library"]) for fate in document["r_fates"]]
    assert sorted(places) == sorted((p["name"], p["version"], p["library"]) for p in inventory["r_packages"])


@pytest.mark.parametrize(
    ("name", "version", "kind", "said"),
    [
        ("sandboxSums", "0.3-1", "mirrored", "current version"),
        ("sandboxOld", "0.9-2", "mirrored", "archive"),
        ("sandboxPrivate", "2.0.1", "mirrored", "Packed from the files"),
        ("sandboxRemote", "0.4.0", "mirrored", "commit"),
        ("R6", "2.5.1", "mirrored", "Debian package"),
        ("sandboxGreeting", "1.0.0", "excluded", "shadowed"),
        ("SparkR", "3.5.0", "excluded", "platform"),
        ("stats", "4.2.2", "provided", "R 4.2.2 itself"),
    ],
)
def test_every_kind_of_r_package_has_the_fate_that_it_must_have(
    built: Done, name: str, version: str, kind: str, said: str
) -> None:
    (fate,) = [f for f in built.document["r_fates"] if (f["name"], f["version"]) == (name, version)]
    assert fate["kind"] == kind
    assert said in fate["reason"]


def test_the_lock_of_r_is_one_that_renv_reads(built: Done, user: User) -> None:
    lock = json.loads((user.folder / "mirrors" / "demo" / "renv.lock").read_text())
    assert lock["R"]["Version"] == "4.2.2"
    assert lock["Packages"]["sandboxOld"]["Version"] == "0.9-2"
    assert lock["Packages"]["sandboxRemote"]["RemoteType"] == "git"


def test_both_kinds_of_notebook_find_what_they_need_in_the_image(built: Done) -> None:
    imports = "import IPython, ipykernel, pandas; print(pandas.__version__)"
    (pandas,) = [f for f in built.document["fates"] if f["name"] == "pandas" and f["kind"] == "mirrored"]
    assert in_image(built, "/databricks/python3/bin/python", "-c", imports) == pandas["version"]
    script = "library(Rserve); library(hwriterPlus); library(sandboxPrivate); cat('both')"
    assert in_image(built, "Rscript", "-e", script) == "both"


def test_a_second_build_of_an_unchanged_cluster_changes_nothing(built: Done, user: User) -> None:
    before = tree(user.folder / "mirrors")
    again = user.run("build", "demo", "--json").document
    assert tree(user.folder / "mirrors") == before
    assert again["image"] == built.document["image"]
    assert again["build"]["cached"] == again["build"]["steps"]


def test_a_frozen_build_needs_no_repository_of_r(built: Done, user: User, tmp_path: Path) -> None:
    bare = new_user(tmp_path)
    sandbox = (user.home / "state" / "sandbox" / "dbmirror.toml").read_text()
    waivers = sandbox[sandbox.index("[[mirrors.demo.waive]]") : sandbox.index("[mirrors.demo.r]")]
    base = 'base = "dbmirror-sandbox/base:bookworm"'
    copy_what_is_committed_and_fetched(user, bare)
    (bare.folder / "dbmirror.toml").write_text(f"{LIGHT}[mirrors.demo]\n{base}\n{waivers}")
    nowhere = {"DATABRICKS_CONFIG_FILE": "/nonexistent", "PIP_INDEX_URL": "http://127.0.0.1:9/simple/"}
    again = bare.run("build", "demo", "--frozen", "--trust", BASE_IMAGE, "--json", **nowhere).document
    assert again["image"] == built.document["image"]
    assert again["r_fates"] == built.document["r_fates"]


def test_the_bill_of_materials_has_both_languages_and_is_the_one_of_the_images_label(built: Done, user: User) -> None:
    document = user.run("build", "demo", "--sbom", "--json").document
    sbom = json.loads(Path(document["sbom"]).read_text())
    components = sbom["components"]
    said = [{p["name"]: p["value"] for p in component.get("properties", ())} for component in components]
    assert sum("dbmirror:fate" in properties for properties in said) == len(every_fate(document))
    purls = {component["name"]: component.get("purl", "") for component in components}
    assert purls["sandboxSums"].startswith("pkg:cran/sandboxSums@0.3-1?")
    assert purls["hwriterPlus"].startswith("pkg:cran/hwriterPlus@")
    image = ["docker", "image", "inspect", document["image"]["id"], "--format", "{{json .Config.Labels}}"]
    labels = json.loads(subprocess.run(image, capture_output=True, text=True, check=True, timeout=60).stdout)
    assert labels["io.dbmirror.sbom"] == f"urn:cdx:{sbom['serialNumber'].removeprefix('urn:uuid:')}/1"


def test_for_python_alone_every_r_package_is_excluded_by_the_flavour(
    built: Done, user: User, inventory: dict[str, Any]
) -> None:
    before = tree(user.folder / "mirrors")
    document = user.run("build", "demo", "--flavour", "python", "--dry-run", "--json").document
    assert document["flavour"] == "python"
    assert {fate["kind"] for fate in document["r_fates"]} == {"excluded"}
    reasons = {fate["name"]: fate["reason"] for fate in document["r_fates"]}
    assert reasons["sandboxSums"].startswith("flavour (python): ")
    assert reasons["SparkR"].startswith("platform ")
    assert document["fates"] == built.document["fates"]
    assert sum(document["counts"].values()) == found_on_the_cluster(inventory)
    assert tree(user.folder / "mirrors") == before


def test_for_r_alone_every_python_package_is_excluded_by_the_flavour(
    built: Done, user: User, inventory: dict[str, Any]
) -> None:
    before = tree(user.folder / "mirrors")
    document = user.run("build", "demo", "--flavour", "r", "--dry-run", "--json").document
    assert document["flavour"] == "r"
    assert {fate["kind"] for fate in document["fates"]} <= {"excluded", "unavailable"}
    (pandas,) = [fate for fate in document["fates"] if fate["name"] == "pandas"]
    assert pandas["reason"].startswith("flavour (r): ")
    assert document["r_fates"] == built.document["r_fates"]
    assert sum(document["counts"].values()) == found_on_the_cluster(inventory)
    assert tree(user.folder / "mirrors") == before


def test_explain_says_all_about_an_r_package(built: Done, user: User) -> None:
    shown = user.run("explain", "demo", "sandboxGreeting", "--json").document
    assert shown["explanation"]["decision"]["version"] == "1.2.0"
    assert {"sandboxPrivate", "sandboxSums"} <= {need["requirer"] for need in shown["explanation"]["required_by"]}
    assert [hidden["version"] for hidden in shown["explanation"]["hidden"]] == ["1.0.0"]
    assert sorted((fate["version"], fate["kind"]) for fate in shown["fates"]) == [
        ("1.0.0", "excluded"),
        ("1.2.0", "mirrored"),
    ]
    assert "R, /usr/lib/R/site-library" in user.run("explain", "demo", "R6").stdout


def test_a_package_that_neither_language_has_is_said_to_be_on_no_cluster(built: Done, user: User) -> None:
    assert "nothing-like-it" in user.run("explain", "demo", "nothing-like-it", code=2).stderr


def test_each_filter_list_has_a_part_for_r_with_a_reason_per_entry(user: User) -> None:
    for name in ("blacklist", "whitelist"):
        entries = user.run("filter", "show", name, "--json").document["r_entries"]
        assert entries
        assert all(entry["reason"] for entry in entries)


@pytest.fixture(scope="module")
def stuck(user: User) -> User:
    """The same user in a folder whose repository has a sandboxSums that does not compile, and what happened."""
    elsewhere = user.in_folder(user.folder.parent / "stuck")
    sums, broken = source_package("sandboxSums"), source_package("sandboxBroken")
    wrong = SourcePackage(
        name=sums.name, version=sums.version, files={**sums.files, "src/broken.c": broken.files["src/broken.c"]}
    )
    others = [source_package(name) for name in CURRENT if name != sums.name]
    archived = [source_package(name, version) for name, version in ARCHIVED]
    make_repository(elsewhere.folder / "cran", current=[wrong, *others], archived=archived)
    settings = (user.home / "state" / "sandbox" / "dbmirror.toml").read_text()
    changed = re.sub(r"(?m)^repositories = .*\n(?:    .*\n)*(?:\]\n)?", 'repositories = ["cran"]\n', settings)
    assert changed != settings
    (elsewhere.folder / "dbmirror.toml").write_text(f"{LIGHT}{changed}")
    return elsewhere


@pytest.fixture(scope="module")
def kept_going(stuck: User) -> Done:
    return stuck.run("build", "demo", "--keep-going", "--json")


def test_a_package_that_does_not_compile_stops_the_build_with_its_name_and_the_way_on(stuck: User) -> None:
    document = stuck.run("build", "demo", "--json", code=4).document
    assert "sandboxSums 0.3-1" in document["error"]["message"]
    assert "--keep-going" in document["error"]["remedy"]


def test_with_keep_going_the_image_has_all_the_others_and_the_table_tells_what_it_lacks(
    kept_going: Done, inventory: dict[str, Any]
) -> None:
    document = kept_going.document
    assert document["verification"]["passed"] is True
    (failed,) = document["verification"]["report"]["r_failed"]
    assert (failed["name"], failed["version"]) == ("sandboxSums", "0.3-1")
    (fate,) = [fate for fate in document["r_fates"] if fate["name"] == "sandboxSums"]
    assert fate["kind"] == "unavailable"
    assert "could not be built" in fate["reason"]
    assert "a_header_that_no_system_has.h" in fate["reason"]
    assert sum(document["counts"].values()) == len(every_fate(document)) == found_on_the_cluster(inventory)
    script = "library(sandboxOld); cat(requireNamespace('sandboxSums', quietly = TRUE))"
    assert in_image(kept_going, "Rscript", "-e", script) == "FALSE"


def test_the_lock_stays_what_it_was_and_explain_and_the_report_tell_how_it_turned_out(
    kept_going: Done, stuck: User
) -> None:
    mirror = stuck.folder / "mirrors" / "demo"
    (locked,) = [f for f in json.loads((mirror / "r-fates.json").read_text())["fates"] if f["name"] == "sandboxSums"]
    assert locked["kind"] == "mirrored"
    (failed,) = json.loads((mirror / "verification.json").read_text())["r_failed"]
    assert failed["name"] == "sandboxSums"
    (fate,) = stuck.run("explain", "demo", "sandboxSums", "--json").document["fates"]
    assert fate["kind"] == "unavailable"
    assert "could not be built" in fate["reason"]
    assert "could not be built" in stuck.run("explain", "demo", "sandboxSums").stdout


def test_a_frozen_build_that_keeps_going_is_the_same_image_and_the_cluster_has_not_drifted(
    kept_going: Done, stuck: User
) -> None:
    before = tree(stuck.folder / "mirrors")
    again = stuck.run("build", "demo", "--keep-going", "--frozen", "--json").document
    assert again["image"] == kept_going.document["image"]
    assert again["r_fates"] == kept_going.document["r_fates"]
    assert tree(stuck.folder / "mirrors") == before
    stuck.run("check", "demo")
