"""The bill of materials: valid CycloneDX, every package in it with its fate, and not a byte that a clock decides."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from pypi_simple import PYPI_SIMPLE_ENDPOINT

from dbmirror.files import digest_of
from dbmirror.inventory.model import DebianPackage, Distribution, Interpreter, Inventory, Jar, Layer, RPackage
from dbmirror.lock.model import AptPackage, Fate, FateKind, ImageLayer, IndexFile, Lock, LockedPackage
from dbmirror.render.bom_link import bom_link, serial_number
from dbmirror.render.sbom import BuiltImage, render_sbom
from dbmirror.snapshot import Cluster, Snapshot, Taken

SITE = "/databricks/python3/lib/python3.11/site-packages"
SEED = Distribution(name="pip", spelling="pip", version="23.2.1", layer=Layer.RUNTIME, location=SITE)
IMAGE = BuiltImage(
    tag="registry.example:5000/team/demo:15.4-555555555555",
    image_id="sha256:" + "1" * 64,
    digest="sha256:" + "2" * 64,
    inventory=Inventory(
        os_id="debian",
        os_version="12",
        architecture="x86_64",
        glibc="2.36",
        python=Interpreter(path="/databricks/python3/bin/python", version="3.11.11"),
        distributions=(
            Distribution(name="numpy", spelling="numpy", version="1.23.5", layer=Layer.RUNTIME, location=SITE),
            SEED,
        ),
        debian_packages=(
            DebianPackage(name="bash", version="5.2.15-2+b7"),
            DebianPackage(name="libc6", version="2.36-9+deb12u10"),
        ),
        r_packages=(RPackage(name="ggplot2", version="3.4.2", library="/usr/lib/R/library"),),
        jars=(Jar(path="/databricks/jars/a.jar"), Jar(path="/b.jar", group="org.slf4j", artifact="api", version="2.0")),
    ),
)


def fate(package: LockedPackage | tuple[str, str], kind: FateKind = FateKind.MIRRORED, **more: Any) -> Fate:
    name, version = package if isinstance(package, tuple) else (package.name, package.version)
    fields = {"layer": Layer.RUNTIME, "location": SITE, "reason": f"because {kind}", **more}
    return Fate(name=name, version=version, kind=kind, **fields)


def with_fates(lock: Lock, *more: Fate) -> Lock:
    """`lock` with a fate for each of its packages, but for those that `more` speaks of."""
    named = {fate.name for fate in more}
    fates = [*(fate(package) for package in lock.packages if package.name not in named), *more]
    return replace(lock, fates=tuple(sorted(fates, key=lambda fate: (fate.name, fate.layer, fate.location))))


def snapshot_of(*distributions: Distribution) -> Snapshot:
    return Snapshot(
        cluster=Cluster(cluster_id="1", cluster_name="demo", spark_version="15.4.x-scala2.12"),
        inventory=replace(IMAGE.inventory, distributions=distributions) if IMAGE.inventory else IMAGE.inventory,
        taken=Taken(at="2026-11-20T12:00:00Z", host="driver", dbmirror="0"),
    )


def document(lock: Lock, *distributions: Distribution, image: BuiltImage | None = None) -> dict[str, Any]:
    """The document of `lock`."""
    loaded: dict[str, Any] = json.loads(render_sbom(lock, snapshot_of(*distributions), mirror="demo", image=image))
    return loaded


def components(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {component["bom-ref"]: component for component in found["components"]}


def properties(component: dict[str, Any]) -> dict[str, str]:
    return {entry["name"].removeprefix("dbmirror:"): entry["value"] for entry in component.get("properties", ())}


GONE = fate(("ubuntu-advantage-tools", "8001"), FateKind.UNAVAILABLE, layer=Layer.APT, location="/usr/lib")
DROPPED = fate(("pyspark", "3.5.0"), FateKind.EXCLUDED, reason="blacklist (pyspark): the platform brings it")
GIVEN = fate(("six", "1.16.0"), FateKind.PROVIDED)
OTHER = fate(("cffi", "1.15.1"), FateKind.SUBSTITUTED, substitute="cffi 1.16.0")


@pytest.mark.parametrize("image", [IMAGE, None], ids=["image", "no image yet"])
def test_a_lock_with_every_kind_of_source_and_fate_is_valid_cyclonedx(
    everything: Lock, image: BuiltImage | None
) -> None:
    lock = with_fates(everything, GONE, DROPPED, GIVEN, OTHER)
    content = render_sbom(lock, snapshot_of(SEED), mirror="demo", image=image).decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(content) is None
    assert json.loads(content)["specVersion"] == "1.6"


def test_every_fate_is_one_component_and_what_is_not_in_the_image_is_excluded(everything: Lock) -> None:
    lock = with_fates(everything, GONE, DROPPED, GIVEN, OTHER)
    fates = [c for c in document(lock)["components"] if "fate" in properties(c)]
    assert len(fates) == len(lock.fates)
    scopes = {c["name"]: c["scope"] for c in fates}
    absent = {"ubuntu-advantage-tools", "pyspark", "cffi"}
    assert {name for name, scope in scopes.items() if scope == "excluded"} == absent
    assert all("purl" not in c for c in fates if c["name"] in absent)


def test_the_reason_of_each_fate_is_kept_word_for_word(everything: Lock) -> None:
    found = components(document(with_fates(everything, DROPPED, OTHER)))
    assert properties(found["python/runtime/pyspark@3.5.0"]) == {
        "fate": "excluded",
        "reason": "blacklist (pyspark): the platform brings it",
        "cluster:layer": "runtime",
        "cluster:location": SITE,
    }
    assert properties(found["python/runtime/cffi@1.15.1"])["substitute"] == "cffi 1.16.0"


def test_the_counts_of_the_fates_stand_in_the_metadata(everything: Lock) -> None:
    lock = with_fates(everything, GONE, DROPPED, GIVEN)
    said = properties(document(lock)["metadata"])
    assert {kind: int(said[f"fates:{kind}"]) for kind in FateKind} == lock.counts()


@pytest.mark.parametrize(
    ("reference", "purl"),
    [
        ("numpy@1.23.5", "pkg:pypi/numpy@1.23.5?file_name=numpy-1.23.5-cp311"),
        ("acme-pricing@1.4+db1", "pkg:pypi/acme-pricing@1.4%2Bdb1?checksum=sha256:"),
        ("acme-tools@0.3", "pkg:pypi/acme-tools@0.3?vcs_url=git%2Bhttps://git.example/acme/tools.git%40cccc"),
        ("itsdangerous@2.1.2", "pkg:pypi/itsdangerous@2.1.2?checksum=sha256:"),
        ("dbus-python@1.3.2", "pkg:deb/debian/python3-dbus@1.3.2-4%2Bb1?distro=debian-12"),
    ],
)
def test_a_package_url_says_where_a_package_comes_from(everything: Lock, reference: str, purl: str) -> None:
    found = components(document(with_fates(everything)))[f"python/runtime/{reference}"]["purl"]
    assert found.startswith(purl)


def test_an_index_of_ones_own_is_named_and_the_public_one_is_not(everything: Lock) -> None:
    package = next(package for package in everything.packages if package.name == "numpy")
    assert isinstance(package.source, IndexFile)
    own = components(document(with_fates(everything)))["python/runtime/numpy@1.23.5"]["purl"]
    assert "repository_url=https://index.example/simple" in own
    source = IndexFile(
        filename=package.source.filename,
        url=package.source.url,
        sha256=package.source.sha256,
        index=PYPI_SIMPLE_ENDPOINT,
    )
    public = replace(everything, packages=(replace(package, source=source),))
    assert "repository_url" not in components(document(with_fates(public)))["python/runtime/numpy@1.23.5"]["purl"]


def test_what_is_installed_from_a_file_has_its_hash(everything: Lock) -> None:
    found = components(document(with_fates(everything)))
    for package in everything.packages:
        hashes = found[f"python/runtime/{package.name}@{package.version}"].get("hashes", [])
        expected = (
            [] if isinstance(package.source, AptPackage) else [{"alg": "SHA-256", "content": package.source.sha256}]
        )
        assert hashes == expected


def test_a_package_that_stands_in_for_another_is_a_component_beside_it(everything: Lock) -> None:
    substituted = fate(("dbus-python", "1.2.18"), FateKind.SUBSTITUTED, substitute="python3-dbus 1.3.2-4+b1")
    found = components(document(with_fates(everything, substituted)))
    assert found["python/runtime/dbus-python@1.2.18"]["scope"] == "excluded"
    assert found[f"python/{ImageLayer.SYSTEM}/dbus-python@1.3.2/substitute"]["scope"] == "required"


def test_two_copies_of_a_package_are_two_components(everything: Lock) -> None:
    copies = [fate(("simplejson", "3.17.0"), FateKind.EXCLUDED, location=f"/envs/{n}") for n in (1, 2)]
    found = components(document(with_fates(everything, *copies)))
    assert {"python/runtime/simplejson@3.17.0", "python/runtime/simplejson@3.17.0#2"} <= found.keys()


def test_the_base_is_a_component_and_the_image_is_what_the_bill_is_of(everything: Lock, bases: Any) -> None:
    lock = replace(with_fates(everything), base=bases["official"])
    found = document(lock, image=IMAGE)
    assert components(found)["base-image"]["purl"].startswith("pkg:oci/python@sha256:dddd")
    assert found["metadata"]["component"]["name"] == "registry.example:5000/team/demo"
    assert found["metadata"]["component"]["version"] == "15.4-555555555555"
    assert found["metadata"]["component"]["purl"] == (
        f"pkg:oci/demo@sha256:{'2' * 64}?repository_url=registry.example:5000/team/demo&tag=15.4-555555555555"
    )
    assert properties(found["metadata"]["component"])["image:id"] == IMAGE.image_id


def test_what_the_base_brought_is_listed_and_what_the_lock_named_not_twice(everything: Lock) -> None:
    found = document(with_fates(everything), image=IMAGE)
    purls = [component.get("purl", "") for component in found["components"]]
    assert "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64&distro=debian-12" in purls
    assert "pkg:cran/ggplot2@3.4.2" in purls
    assert "pkg:maven/org.slf4j/api@2.0" in purls
    assert "pkg:pypi/pip@23.2.1" in purls
    assert sum(component["name"] == "numpy" for component in found["components"]) == 1
    assert components(found)["operating-system"]["version"] == "12"


def test_dependencies_are_those_of_the_clusters_metadata_that_hold_there(everything: Lock) -> None:
    pandas = Distribution(
        name="pandas",
        spelling="pandas",
        version="1.5.3",
        layer=Layer.RUNTIME,
        location=SITE,
        requires=("numpy>=1.21", "pyyaml; sys_platform == 'win32'", "absent", "PSYCOPG2"),
    )
    found = document(with_fates(everything), pandas)
    depends = {entry["ref"]: entry.get("dependsOn", []) for entry in found["dependencies"]}
    assert depends["python/runtime/pandas@1.5.3"] == ["python/runtime/numpy@1.23.5", "python/runtime/psycopg2@2.9.3"]


def test_the_image_depends_on_all_that_is_in_it_and_on_nothing_else(everything: Lock) -> None:
    found = document(with_fates(everything, DROPPED), image=IMAGE)
    depends = {entry["ref"]: entry.get("dependsOn", []) for entry in found["dependencies"]}
    present = {ref for ref, component in components(found).items() if component.get("scope") != "excluded"}
    assert set(depends["image"]) == present


def test_the_same_arguments_give_the_same_bytes_and_no_clock_is_asked(everything: Lock) -> None:
    lock = with_fates(everything, GONE)
    documents = {render_sbom(lock, snapshot_of(SEED), mirror="demo", image=IMAGE) for _ in range(2)}
    assert len(documents) == 1
    assert json.loads(documents.pop())["metadata"]["timestamp"] == "2026-11-20T12:00:00+00:00"


def test_the_label_of_an_image_links_to_its_bill_by_the_lock(everything: Lock) -> None:
    lock = with_fates(everything)
    found = document(lock, image=IMAGE)
    assert found["serialNumber"] == f"urn:uuid:{serial_number(lock)}"
    assert bom_link(lock) == f"urn:cdx:{serial_number(lock)}/{found['version']}"
    assert properties(found["metadata"])["lock"] == digest_of(lock)


def test_another_fate_is_another_bill(everything: Lock) -> None:
    assert bom_link(with_fates(everything)) != bom_link(with_fates(everything, DROPPED))
