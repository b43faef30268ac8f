"""The SBOM: valid CycloneDX, every package in it with its fate, and not a byte that a clock decides."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from pypi_simple import PYPI_SIMPLE_ENDPOINT

from dbmirror.files import digest_of
from dbmirror.inventory.layers import Layer
from dbmirror.inventory.model import DebianPackage, Distribution, Interpreter, Inventory, Jar, RPackage
from dbmirror.lock.fates import Fate, FateKind
from dbmirror.lock.mirror_lock import MirrorLock
from dbmirror.lock.model import AptPackage, ImageLayer, IndexFile, Lock, LockedPackage
from dbmirror.lock.r.model import RLacking, RLock
from dbmirror.publish.sbom.cyclonedx import BuiltImage, render_sbom
from dbmirror.render.bom_link import bom_link, serial_number
from dbmirror.render.image import render
from dbmirror.runtimes.lookup import lookup
from dbmirror.snapshot import Cluster, Snapshot, Taken
from tests.builders import an_r_fate
from tests.render.test_r_layers import CURL, DPLYR, OLD, PRIVATE, R6, REMOTE, RLANG, VCTRS, r_lock

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


def document(
    lock: Lock, *distributions: Distribution, r: RLock | None = None, image: BuiltImage | None = None
) -> dict[str, Any]:
    """The document of `lock`, with R's half `r`."""
    both = MirrorLock(python=lock, r=r)
    loaded: dict[str, Any] = json.loads(render_sbom(both, snapshot_of(*distributions), mirror="demo", image=image))
    return loaded


def components(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {component["bom-ref"]: component for component in found["components"]}


def properties(component: dict[str, Any]) -> dict[str, str]:
    return {entry["name"].removeprefix("dbmirror:"): entry["value"] for entry in component.get("properties", ())}


GONE = fate(("ubuntu-advantage-tools", "8001"), FateKind.UNAVAILABLE, layer=Layer.APT, location="/usr/lib")
DROPPED = fate(("pyspark", "3.5.0"), FateKind.EXCLUDED, reason="blacklist (pyspark): the platform brings it")
GIVEN = fate(("six", "1.16.0"), FateKind.PROVIDED)
OTHER = fate(("cffi", "1.15.1"), FateKind.SUBSTITUTED, substitute="cffi 1.16.0")
LIBRARY = "/databricks/spark/R/lib"


R_DROPPED = an_r_fate("SparkR", "3.5.0", FateKind.EXCLUDED, reason="blacklist (SparkR): injected", library=LIBRARY)
R_SHADOWED = an_r_fate("rlang", "1.1.6", FateKind.EXCLUDED, library=LIBRARY)
R_GONE = an_r_fate("inhouse", "0.1", FateKind.UNAVAILABLE)
R_OTHER = an_r_fate("MASS", "7.3-58", FateKind.SUBSTITUTED, substitute="MASS 7.3-60")
R_ITSELF = an_r_fate("base", "4.2.2", FateKind.PROVIDED)
ADDED = replace(OLD, addition="R notebooks show their results with it.", depends=("R6",))
LACKING = RLacking(name="Rserve", reason="The platform speaks to R through it. No repository has it.")
_LOCKED = (CURL, DPLYR, PRIVATE, R6, REMOTE, RLANG, VCTRS)
R_EVERYTHING = replace(
    r_lock(ADDED, *_LOCKED),
    fates=(
        R_OTHER,
        R_DROPPED,
        R_ITSELF,
        R_GONE,
        *(an_r_fate(package.name, package.version) for package in _LOCKED),
        R_SHADOWED,
    ),
    lacking=(LACKING,),
)


@pytest.mark.parametrize("image", [IMAGE, None], ids=["image", "no image yet"])
def test_a_lock_with_every_kind_of_source_and_fate_is_valid_cyclonedx(
    everything: Lock, image: BuiltImage | None
) -> None:
    lock = with_fates(everything, GONE, DROPPED, GIVEN, OTHER)
    both = MirrorLock(python=lock, r=R_EVERYTHING)
    content = render_sbom(both, snapshot_of(SEED), mirror="demo", image=image).decode()
    # Two seconds of processor time, which only the worker that comes here has to spend.
    from cyclonedx.validation.json import JsonStrictValidator

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
    both = MirrorLock(python=lock, r=R_EVERYTHING)
    documents = {render_sbom(both, snapshot_of(SEED), mirror="demo", image=IMAGE) for _ in range(2)}
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


def test_every_r_package_is_one_component_and_what_is_not_in_the_image_is_excluded(everything: Lock) -> None:
    found = [c for c in document(everything, r=R_EVERYTHING)["components"] if c["bom-ref"].startswith("r/")]
    assert len(found) == len(R_EVERYTHING.fates) + len([ADDED]) + len([LACKING])
    absent = {c["bom-ref"] for c in found if c["scope"] == "excluded"}
    assert absent == {
        "r/SparkR@3.5.0",
        "r/rlang@1.1.6#2",
        "r/inhouse@0.1",
        "r/MASS@7.3-58",
        "r/Rserve/lacking",
    }
    assert all(("purl" in c) is (c["bom-ref"] not in absent) for c in found)


def test_the_reason_of_each_r_fate_is_kept_word_for_word(everything: Lock) -> None:
    found = components(document(everything, r=R_EVERYTHING))
    assert properties(found["r/SparkR@3.5.0"]) == {
        "fate": "excluded",
        "reason": "blacklist (SparkR): injected",
        "cluster:library": LIBRARY,
    }
    assert properties(found["r/MASS@7.3-58"])["substitute"] == "MASS 7.3-60"


def test_what_was_added_for_r_notebooks_and_what_they_lack_say_why(everything: Lock) -> None:
    found = components(document(everything, r=R_EVERYTHING))
    added = found["r/hwriterPlus@1.0-3/addition"]
    assert added["scope"] == "required"
    assert properties(added)["addition"] == ADDED.addition
    assert properties(found["r/Rserve/lacking"]) == {"lacking": LACKING.reason}


@pytest.mark.parametrize(
    ("reference", "purl"),
    [
        ("dplyr@1.1.4", "pkg:cran/dplyr@1.1.4?file_name=dplyr_1.1.4.tar.gz&repository_url=https://cran.example"),
        ("hwriterPlus@1.0-3/addition", "pkg:cran/hwriterPlus@1.0-3?file_name=hwriterPlus_1.0-3.tar.gz"),
        ("tool@0.4.0", "pkg:cran/tool@0.4.0?vcs_url=git%2Bhttps://git.example/tool.git%40dddd"),
        ("acme@2.0.1", "pkg:cran/acme@2.0.1?checksum=sha256:cccc"),
        ("R6@2.5.1", "pkg:deb/debian/r-cran-r6@2.5.1-1?distro=debian-12"),
        ("base@4.2.2", "pkg:cran/base@4.2.2"),
    ],
)
def test_a_package_url_says_where_an_r_package_comes_from(everything: Lock, reference: str, purl: str) -> None:
    assert components(document(everything, r=R_EVERYTHING))[f"r/{reference}"]["purl"].startswith(purl)


@pytest.mark.parametrize(
    ("reference", "hashes"),
    [
        ("dplyr@1.1.4", {"SHA-256": "a" * 64}),
        ("hwriterPlus@1.0-3/addition", {"SHA-256": "b" * 64}),
        ("acme@2.0.1", {"SHA-256": "c" * 64}),
        ("tool@0.4.0", {"SHA-256": "e" * 64}),
        ("R6@2.5.1", {}),
        ("base@4.2.2", {}),
    ],
)
def test_an_r_package_has_the_hashes_that_the_lock_has(
    everything: Lock, reference: str, hashes: dict[str, str]
) -> None:
    found = components(document(everything, r=R_EVERYTHING))[f"r/{reference}"].get("hashes", [])
    assert {each["alg"]: each["content"] for each in found} == hashes


def test_the_counts_in_the_metadata_are_of_both_languages(everything: Lock) -> None:
    lock = MirrorLock(python=with_fates(everything, GONE), r=R_EVERYTHING)
    said = properties(document(lock.python, r=lock.r)["metadata"])
    assert {kind: int(said[f"fates:{kind}"]) for kind in FateKind} == lock.counts()
    assert said["r"] == "4.2.2"
    assert said["r-lock"] == digest_of(R_EVERYTHING)


def test_what_the_image_has_of_the_locks_r_packages_is_not_listed_twice(everything: Lock) -> None:
    assert IMAGE.inventory is not None
    rlang = RPackage(name="rlang", version="1.1.6", library="/usr/local/lib/R/site-library")
    # A Python package of that name and version is another package.
    python = replace(SEED, name="ggplot2", version="3.4.2")
    inventory = replace(
        IMAGE.inventory,
        r_packages=(*IMAGE.inventory.r_packages, rlang),
        distributions=(*IMAGE.inventory.distributions, python),
    )
    found = document(everything, r=R_EVERYTHING, image=replace(IMAGE, inventory=inventory))["components"]
    assert [c["bom-ref"] for c in found if c["name"] == "rlang"] == ["r/rlang@1.1.6", "r/rlang@1.1.6#2"]
    assert {c["purl"] for c in found if c["name"] == "ggplot2"} == {
        "pkg:cran/ggplot2@3.4.2",
        "pkg:pypi/ggplot2@3.4.2",
    }


def test_r_packages_depend_on_what_they_need_on_the_cluster_and_additions_on_what_the_lock_says(
    everything: Lock,
) -> None:
    dplyr = RPackage(
        name="dplyr", version="1.1.4", library="/usr/lib/R/site-library", depends=("R6", "SparkR", "base", "rlang")
    )
    snapshot = snapshot_of()
    snapshot = replace(snapshot, inventory=replace(snapshot.inventory, r_packages=(dplyr,)))
    found = json.loads(render_sbom(MirrorLock(python=everything, r=R_EVERYTHING), snapshot, mirror="demo"))
    depends = {entry["ref"]: entry.get("dependsOn", []) for entry in found["dependencies"]}
    assert depends["r/dplyr@1.1.4"] == ["r/R6@2.5.1", "r/base@4.2.2", "r/rlang@1.1.6"]
    assert depends["r/hwriterPlus@1.0-3/addition"] == ["r/R6@2.5.1"]


def test_what_an_image_was_built_without_is_not_in_its_bill_under_the_same_serial_number(everything: Lock) -> None:
    without = replace(
        R_EVERYTHING,
        packages=tuple(package for package in R_EVERYTHING.packages if package.name != "curl"),
        fates=tuple(
            an_r_fate("curl", "6.4.0", FateKind.UNAVAILABLE, reason="It could not be built.") if f.name == "curl" else f
            for f in R_EVERYTHING.fates
        ),
    )
    planned = document(everything, r=R_EVERYTHING)
    found = document(everything, r=R_EVERYTHING, image=replace(IMAGE, r=without))
    assert components(planned)["r/curl@6.4.0"]["scope"] == "required"
    assert components(found)["r/curl@6.4.0"]["scope"] == "excluded"
    assert found["serialNumber"] == planned["serialNumber"]


def test_the_label_and_the_bill_of_an_image_with_r_speak_of_both_halves(everything: Lock) -> None:
    lock = MirrorLock(python=with_fates(everything), r=R_EVERYTHING)
    rendered = render(lock.python, lookup("15.4"), mirror="demo", r_lock=lock.r_in_image, flavour=lock.flavour)
    link = bom_link(lock.python, R_EVERYTHING)
    assert link.encode() in rendered.files["Dockerfile"]
    assert link == f"urn:cdx:{document(lock.python, r=lock.r)['serialNumber'].removeprefix('urn:uuid:')}/1"
    assert link != bom_link(lock.python)


def test_r_that_is_left_out_changes_nothing_of_the_label(everything: Lock) -> None:
    left_out = replace(R_EVERYTHING, packages=(), lacking=(), fates=(R_DROPPED, R_SHADOWED))
    found = document(everything, r=left_out)
    assert found["serialNumber"] == f"urn:uuid:{serial_number(everything)}"
    assert {"r/SparkR@3.5.0", "r/rlang@1.1.6"} <= components(found).keys()
