"""A snapshot's file: canonical, versioned, and refused where it was damaged."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dbmirror.inventory.layers import Layer
from dbmirror.inventory.model import Distribution, Interpreter, Inventory
from dbmirror.snapshot import Cluster, ClusterLibrary, Snapshot, SnapshotError, Taken, read_snapshot, write_snapshot


def distribution(
    name: str, version: str, layer: Layer = Layer.RUNTIME, location: str = "/databricks/x"
) -> Distribution:
    return Distribution(name=name, spelling=name, version=version, layer=layer, location=location)


@pytest.fixture
def snapshot() -> Snapshot:
    return Snapshot(
        cluster=Cluster(cluster_id="1120-000000-demo", cluster_name="demo", spark_version="15.4.x-scala2.12"),
        inventory=Inventory(
            os_id="ubuntu",
            os_version="22.04",
            architecture="x86_64",
            glibc="2.35",
            python=Interpreter(path="/databricks/python3/bin/python3", version="3.11.11"),
            distributions=(distribution("numpy", "1.23.5"), distribution("six", "1.16.0")),
        ),
        taken=Taken(at="2026-11-20T12:00:00Z", host="10.0.0.4", dbmirror="0.1.0"),
    )


def test_a_snapshot_is_read_back_as_it_was_written(snapshot: Snapshot, tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    assert write_snapshot(snapshot, path)
    assert read_snapshot(path) == snapshot


def test_time_and_host_stand_outside_the_digest_and_do_not_change_the_file(snapshot: Snapshot, tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    write_snapshot(snapshot, path)
    before = path.read_bytes()
    later = replace(snapshot, taken=Taken(at="2027-01-01T00:00:00Z", host="10.0.0.9", dbmirror="9"))
    assert later.digest == snapshot.digest
    assert not write_snapshot(later, path)
    assert path.read_bytes() == before


def test_how_far_an_installation_has_come_is_no_part_of_the_digest(snapshot: Snapshot) -> None:
    def with_library(status: str, *messages: str) -> Snapshot:
        library = ClusterLibrary(kind="pypi", specification="six==1.16.0", status=status, messages=messages)
        return replace(snapshot, cluster=replace(snapshot.cluster, libraries=(library,)))

    assert with_library("INSTALLED").digest == with_library("FAILED", "no such release").digest
    assert with_library("INSTALLED").digest != snapshot.digest


def test_the_variables_of_a_session_are_kept_outside_the_digest(snapshot: Snapshot, tmp_path: Path) -> None:
    inventory = replace(
        snapshot.inventory, environment_variables=("LANG", "PYSPARK_PIN_THREAD"), environment_values=(("LANG", "C"),)
    )
    in_a_notebook = replace(snapshot, inventory=inventory)
    assert in_a_notebook.digest == snapshot.digest
    write_snapshot(in_a_notebook, tmp_path / "snapshot.json")
    assert read_snapshot(tmp_path / "snapshot.json").inventory.environment_values == (("LANG", "C"),)


def test_another_version_of_a_package_is_another_digest(snapshot: Snapshot) -> None:
    inventory = replace(snapshot.inventory, distributions=(distribution("numpy", "1.23.6"),))
    assert replace(snapshot, inventory=inventory).digest != snapshot.digest


def test_a_snapshot_changed_by_hand_is_refused(snapshot: Snapshot, tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    path.write_bytes(snapshot.encode().replace(b"1.23.5", b"1.23.6"))
    with pytest.raises(SnapshotError, match="changed by hand"):
        read_snapshot(path)


@pytest.mark.parametrize(
    ("field", "hostile"),
    [
        ("name", "numpy\nRUN id"),
        ("name", "num py"),
        ("name", "--index-url"),
        ("version", "1.0; rm -rf /"),
        ("version", "$(id)"),
        ("version", "1.0\n"),
        ("location", "relative/path"),
        ("spelling", "a\u2028b"),
    ],
)
def test_a_hostile_name_or_version_is_refused(snapshot: Snapshot, tmp_path: Path, field: str, hostile: str) -> None:
    document = json.loads(snapshot.encode())
    document["inventory"]["distributions"][0][field] = hostile
    path = tmp_path / "snapshot.json"
    path.write_text(json.dumps(document))
    with pytest.raises(SnapshotError, match=rf"distributions\[0\]\.{field}|distributions\[0\]"):
        read_snapshot(path)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"{", b'{"schema": 99}', b"\xff\xfe"])
def test_what_is_no_snapshot_is_refused_in_words(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "snapshot.json"
    path.write_bytes(content)
    with pytest.raises(SnapshotError) as caught:
        read_snapshot(path)
    assert str(path) in caught.value.message
    assert caught.value.remedy


def test_a_missing_snapshot_says_how_to_take_one(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError) as caught:
        read_snapshot(tmp_path / "snapshot.json")
    assert "dbmirror snapshot" in caught.value.remedy


def test_the_nearest_layer_is_what_an_import_gets(snapshot: Snapshot) -> None:
    inventory = replace(
        snapshot.inventory,
        distributions=(
            distribution("numpy", "1.23.5", Layer.RUNTIME),
            distribution("numpy", "1.24.0", Layer.CLUSTER),
            distribution("numpy", "1.21.0", Layer.APT),
        ),
    )
    assert inventory.effective()["numpy"].version == "1.24.0"


def test_of_several_notebook_environments_only_a_named_one_counts(snapshot: Snapshot) -> None:
    inventory = replace(
        snapshot.inventory,
        distributions=(
            distribution("numpy", "1.23.5"),
            distribution("numpy", "2.0.0", Layer.NOTEBOOK, "/envs/a"),
            distribution("numpy", "2.1.0", Layer.NOTEBOOK, "/envs/b"),
        ),
    )
    assert inventory.effective()["numpy"].version == "1.23.5"
    assert inventory.effective("/envs/b")["numpy"].version == "2.1.0"
    single = replace(inventory, distributions=inventory.distributions[:2])
    assert single.effective()["numpy"].version == "2.0.0"
