"""`dbmirror build demo`, end to end, as a user runs it."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import docker
import pytest
from packaging.utils import canonicalize_name

from dbmirror.sandbox.base import BASE_IMAGE
from tests.stack.conftest import RUNTIME_LISTS, Done, User, copy_what_is_committed_and_fetched, new_user, tree

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def built(sandbox_user: User) -> Done:
    return sandbox_user.run("build", "demo", "--json")


@pytest.fixture(scope="module")
def fates(built: Done) -> dict[tuple[str, str], dict[str, Any]]:
    return {(fate["name"], fate["layer"]): fate for fate in built.document["fates"]}


def attributes(tag: str) -> dict[str, Any]:
    client = docker.from_env()
    try:
        found: dict[str, Any] = client.images.get(tag).attrs
        return found
    finally:
        client.close()


def in_image(tag: str, *argv: str) -> str:
    argv = ("docker", "run", "--rm", "--network", "none", tag, *argv)
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=120).stdout


def test_the_image_is_verified_and_every_package_has_one_fate(built: Done) -> None:
    document = built.document
    assert document["verification"]["passed"] is True
    assert sum(document["counts"].values()) == len(document["fates"])
    places = [(fate["name"], fate["layer"], fate["location"]) for fate in document["fates"]]
    assert len(places) == len(set(places))
    compared = document["verification"]["report"]["comparisons"]
    assert len(compared) == document["counts"]["mirrored"] + document["counts"]["provided"]
    assert all(each["expected"] == each["found"] for each in compared)


def test_the_tag_names_mirror_runtime_and_snapshot_and_the_labels_say_what_it_is(
    built: Done, sandbox_user: User
) -> None:
    document = built.document
    short = document["snapshot"].removeprefix("sha256:")[:12]
    lock = document["lock"].removeprefix("sha256:")[:6]
    assert document["image"]["tag"] == f"dbmirror/demo:15.4-{short}-{lock}"
    found = attributes(document["image"]["tag"])
    labels = found["Config"]["Labels"]
    assert labels["io.dbmirror.snapshot"] == document["snapshot"]
    folder = sandbox_user.folder / "mirrors" / "demo"
    for label, file in (("lock", "pylock.toml"), ("debian-lock", "debian-lock.json")):
        assert labels[f"io.dbmirror.{label}"] == "sha256:" + hashlib.sha256((folder / file).read_bytes()).hexdigest()
    assert "L02" in labels["io.dbmirror.waivers"]
    assert labels["org.opencontainers.image.title"] == "demo"
    assert found["Id"] == document["image"]["id"]
    assert not found["Config"].get("Cmd") or found["Config"]["Cmd"] == ["bash"]
    assert not found["Config"].get("Entrypoint")
    assert found["Config"].get("User", "") in {"", "root"}


@pytest.mark.parametrize(
    ("name", "layer", "kind", "said"),
    [
        ("numpy", "runtime", "mirrored", "index"),
        ("dbmirror-sandbox-forecast", "cluster", "mirrored", "Packed from the files"),
        ("dbmirror-sandbox-numbers", "runtime", "mirrored", "Packed from the files"),
        ("dbmirror-sandbox-metrics", "cluster", "mirrored", "commit"),
        ("dbmirror-sandbox-calendar", "cluster", "mirrored", "archive"),
        ("dbus-python", "apt", "mirrored", "Debian package"),
        ("unattended-upgrades", "apt", "excluded", "blacklist"),
        ("half-removed", "runtime", "unavailable", "could not be read"),
        ("requests", "runtime", "excluded", "shadowed"),
        ("attrs", "runtime", "mirrored", "yanked"),
    ],
)
def test_every_kind_of_package_has_the_fate_that_it_must_have(
    fates: dict[tuple[str, str], dict[str, Any]], name: str, layer: str, kind: str, said: str
) -> None:
    fate = fates[name, layer]
    assert fate["kind"] == kind
    assert re.search(said, fate["reason"])


def test_the_image_holds_no_compiler_no_installer_and_no_secret_of_the_build(built: Done) -> None:
    tag = built.document["image"]["tag"]
    script = (
        "for name in gcc cc make uv; do command -v $name; done; "
        "find /run/secrets /tmp /root/.cache -mindepth 1 2>/dev/null; true"
    )
    assert in_image(tag, "sh", "-c", script) == ""


def test_a_second_build_of_an_unchanged_cluster_changes_nothing_and_is_fast(built: Done, sandbox_user: User) -> None:
    before = tree(sandbox_user.folder / "mirrors")
    again = sandbox_user.run("build", "demo", "--json").document
    assert tree(sandbox_user.folder / "mirrors") == before
    assert again["image"] == built.document["image"]
    assert again["build"]["cached"] == again["build"]["steps"]
    assert again["build"]["seconds"] < 10


def test_a_frozen_build_needs_neither_workspace_nor_driver_nor_index(built: Done, sandbox_user: User) -> None:
    nowhere = {"DATABRICKS_CONFIG_FILE": "/nonexistent", "PIP_INDEX_URL": "http://127.0.0.1:9/simple/"}
    bare = new_user(sandbox_user.folder.parent / "bare")
    copy_what_is_committed_and_fetched(sandbox_user, bare)
    configuration = '[mirrors.demo]\nbase = "dbmirror-sandbox/base:bookworm"\n'
    (bare.folder / "dbmirror.toml").write_text(configuration + waivers(sandbox_user))
    refused = bare.run("build", "demo", "--frozen", "--json", code=2, **nowhere).document["error"]
    assert refused["remedy"].startswith("If you trust it, add '--trust dbmirror-sandbox/base:bookworm'")
    again = bare.run("build", "demo", "--frozen", "--json", **nowhere, DBMIRROR_TRUST=BASE_IMAGE).document
    assert again["image"] == built.document["image"]


def waivers(user: User) -> str:
    text = (user.home / "state" / "sandbox" / "dbmirror.toml").read_text()
    return text[text.index("[[mirrors.demo.waive]]") :]


def test_a_lock_that_is_not_of_its_snapshot_is_refused(built: Done, sandbox_user: User, tmp_path: Path) -> None:
    other = sandbox_user.in_folder(tmp_path / "other")
    folder = other.folder / "mirrors" / "demo"
    folder.mkdir(parents=True)
    for name, content in tree(sandbox_user.folder / "mirrors" / "demo").items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    for name in ("pylock.toml", "fates.json"):
        path = folder / name
        path.write_text(path.read_text().replace(built.document["snapshot"], "sha256:" + "0" * 64))
    refused = other.run("build", "demo", "--frozen", code=2)
    assert "not made from the snapshot" in refused.stderr
    assert "dbmirror lock demo" in refused.stderr


def test_no_value_of_the_drivers_environment_reaches_a_file(built: Done, sandbox_user: User) -> None:
    files = tree(sandbox_user.folder / "mirrors")
    for content in files.values():
        assert b"canary" not in content.lower()
    snapshot = json.loads(files["demo/snapshot.json"])
    assert (
        "DATABRICKS_TOKEN" in snapshot["inventory"]["environment_variables"]
        or snapshot["inventory"]["environment_values"] is not None
    )


def test_the_driver_is_the_same_before_and_after(built: Done, sandbox_user: User) -> None:
    state = sandbox_user.run("sandbox", "status", "--json").document["sandbox"]
    client = docker.from_env()
    try:
        container = client.containers.get(state["driver_container"])
        before = {change["Path"] for change in container.diff()}
        sandbox_user.run("snapshot", "demo")
        after = {change["Path"] for change in container.diff()}
    finally:
        client.close()
    assert after == before


def test_the_user_s_own_files_stay_as_they_were(built: Done, sandbox_user: User) -> None:
    assert tree(sandbox_user.home / ".ssh") == {"config": b"Host *\n  ServerAliveInterval 30\n"}
    own = (sandbox_user.home / ".databrickscfg").read_text()
    assert own == "[real]\nhost = https://real.example\ntoken = the-users-own\n"


def test_explain_says_which_rule_decided_and_who_requires_a_package(built: Done, sandbox_user: User) -> None:
    shown = sandbox_user.run("explain", "demo", "NumPy", "--json").document
    assert shown["explanation"]["opinions"][0]["rule"]["name"] == "repl"
    assert "pandas" in {need["requirer"] for need in shown["explanation"]["required_by"]}
    assert [fate["kind"] for fate in shown["fates"]] == ["mirrored"]


def test_a_whitelist_brings_along_what_the_kept_packages_require(built: Done, sandbox_user: User) -> None:
    chosen = sandbox_user.run("build", "demo", "--whitelist", "--dry-run", "--json").document
    assert sum(chosen["counts"].values()) == sum(built.document["counts"].values())
    assert chosen["counts"]["mirrored"] < built.document["counts"]["mirrored"]
    kinds = {fate["name"]: fate["kind"] for fate in chosen["fates"] if fate["layer"] == "runtime"}
    assert kinds["numpy"] == kinds["pandas"] == kinds["python-dateutil"] == "mirrored"


def test_every_mirror_of_a_file_is_built_and_verified(built: Done, sandbox_user: User, tmp_path: Path) -> None:
    user = sandbox_user.in_folder(tmp_path / "both")
    section = '[mirrors.{}]\nprofile = "demo"\n'
    sections = section.format("first") + section.format("second") + 'filter = "whitelist"\n'
    (user.folder / "dbmirror.toml").write_text(sections)
    mirrors = user.run("build", "--all", "--json").document["mirrors"]
    assert set(mirrors) == {"first", "second"}
    for name, mirror in mirrors.items():
        assert mirror["verification"]["passed"], mirror["verification"]
        assert mirror["image"]["tag"].startswith(f"dbmirror/{name}:")
    assert mirrors["first"]["counts"] == built.document["counts"]
    assert mirrors["second"]["counts"]["mirrored"] < mirrors["first"]["counts"]["mirrored"]
    files = tree(user.folder)
    again = user.run("build", "--all", "--json").document["mirrors"]
    assert [again[name]["image"] for name in mirrors] == [mirror["image"] for mirror in mirrors.values()]
    assert tree(user.folder) == files


def test_the_image_and_the_snapshot_are_compared_by_what_imports_get(built: Done, sandbox_user: User) -> None:
    done = sandbox_user.run("diff", "snapshot:demo", "image:demo", "--json", code=1)
    python = done.document["sections"]["python"]
    assert python["changed"] == []
    assert len(python["same"]) == built.document["counts"]["mirrored"]


def test_a_cluster_that_drifted_is_found_out(built: Done, sandbox_user: User) -> None:
    assert sandbox_user.run("check", "demo", "--json").document["drifted"] is False
    state = sandbox_user.run("sandbox", "status", "--json").document["sandbox"]
    place = "/databricks/python3/lib/python3.11/site-packages/somebody_added-1.0.dist-info"
    add = f"mkdir {place} && printf 'Metadata-Version: 2.1\\nName: somebody-added\\nVersion: 1.0\\n' > {place}/METADATA"
    driver = ["docker", "exec", state["driver_container"], "sh", "-c"]
    subprocess.run([*driver, add], check=True, timeout=60)
    try:
        before = tree(sandbox_user.folder / "mirrors")
        drifted = sandbox_user.run("check", "demo", "--json", code=1)
        assert ["somebody-added", "1.0"] in drifted.document["sections"]["python"]["only_in_b"]
        assert tree(sandbox_user.folder / "mirrors") == before
    finally:
        subprocess.run([*driver, f"rm -r {place}"], check=True, timeout=60)


def test_the_real_list_of_runtime_15_4_is_mirrored_pin_by_pin(tmp_path_factory: pytest.TempPathFactory) -> None:
    pins = RUNTIME_LISTS / "15.4.txt"
    user = new_user(tmp_path_factory.mktemp("runtime"))
    try:
        state = user.run("sandbox", "up", "--packages", str(pins), "--json", timeout=1500).document["sandbox"]
        assert state["pins"] == 134
        assert state["missing"] == []
        document = user.run("build", "demo", "--json", timeout=1500).document
    finally:
        user.run("sandbox", "down")
    wanted = dict(line.strip().split("==") for line in pins.read_text().splitlines() if "==" in line)
    wanted = {canonicalize_name(name): version for name, version in wanted.items()}
    by_layer = {layer: {f["name"]: f for f in document["fates"] if f["layer"] == layer} for layer in ("apt", "runtime")}
    runtime = by_layer["apt"] | by_layer["runtime"]
    assert {name: runtime[name]["version"] for name in wanted} == wanted
    in_image = {f["name"]: f["version"] for f in document["fates"] if f["kind"] == "mirrored"}
    # No index has the first; the sandbox's cluster libraries override the other two, as they do for imports there.
    elsewhere = {"unattended-upgrades", "certifi", "urllib3"}
    assert {name for name, version in wanted.items() if in_image.get(name) != version} == elsewhere
    assert runtime["unattended-upgrades"]["kind"] == "excluded"
    assert all(runtime[name]["reason"].startswith("shadowed") for name in ("certifi", "urllib3"))
    assert document["verification"]["passed"] is True
