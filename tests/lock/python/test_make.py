"""A whole lock: one source for each kept package, one fate for all that was found."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dbmirror.errors import RemoteError
from dbmirror.filters.model import Decision, Rule, Selection, Verdict
from dbmirror.inventory.installed_files import CapturedFile
from dbmirror.inventory.layers import Layer
from dbmirror.inventory.model import DebianPackage, DirectUrl, Distribution, Problem
from dbmirror.lock.accounting import account, excluded, fate_of, require_complete, unreadable
from dbmirror.lock.errors import IndexUnreachable, LockError, Unaccounted
from dbmirror.lock.fates import FateKind
from dbmirror.lock.model import AptPackage, CapturedWheel, ImageLayer, IndexFile, LockedPackage
from dbmirror.progress import Observer
from tests.lock.python.workshop import Installed, Inventories, Workshop, apt, fate, package


def test_a_kept_package_is_mirrored_from_the_index_with_its_hash(
    server: Any, workshop: Workshop, inventory: Inventories, installed: Installed
) -> None:
    sha256 = server.add("needy", "needy-1.0-py3-none-any.whl", size=321)
    lock = workshop.lock(inventory(installed("needy", "1.0")))
    assert lock.packages == (
        LockedPackage(
            name="needy",
            version="1.0",
            layer=ImageLayer.RUNTIME,
            source=IndexFile(
                filename="needy-1.0-py3-none-any.whl",
                url=f"{server.address}/files/needy-1.0-py3-none-any.whl",
                sha256=sha256,
                size=321,
                index=server.url,
            ),
            requires=("six>=1",),
        ),
    )
    assert lock.counts()[FateKind.MIRRORED] == 1


def test_where_the_index_gives_no_hash_the_file_is_fetched_and_hashed(
    server: Any, workshop: Workshop, inventory: Inventories, installed: Installed
) -> None:
    server.hashes = False
    sha256 = server.add("six", "six-1.0.tar.gz")
    source = package(workshop.lock(inventory(installed("six", "1.0"))), "six").source
    assert isinstance(source, IndexFile)
    assert source.sha256 == sha256
    assert source.size == len(server.answers["/files/six-1.0.tar.gz"].content)


def test_a_pin_that_the_index_lacks_gets_its_reason_and_the_run_goes_on(
    server: Any, workshop: Workshop, inventory: Inventories, installed: Installed
) -> None:
    server.add("six", "six-1.0.tar.gz")
    server.add("old", "old-2.0.tar.gz")
    names = ("nonesuch", "old", "six")
    lock = workshop.lock(inventory(*(installed(name, "1.0") for name in names)))
    assert [p.name for p in lock.packages] == ["six"]
    assert "does not have it" in fate(lock, "nonesuch").reason
    assert "no version 1.0" in fate(lock, "old").reason
    assert lock.counts() == {
        FateKind.MIRRORED: 1,
        FateKind.PROVIDED: 0,
        FateKind.SUBSTITUTED: 0,
        FateKind.EXCLUDED: 0,
        FateKind.UNAVAILABLE: 2,
    }


GARBAGE: dict[str, dict[str, Any]] = {
    "cut": {"content": b'{"meta": {}, "files": [{"filename": "six', "cut": True},
    "not JSON": {"content": b"<html>Hello</html>", "kind": "application/vnd.pypi.simple.v1+json"},
    "a login page": {"content": b"<form>", "kind": "text/html"},
    "an empty list": {"content": b"[]", "kind": "application/vnd.pypi.simple.v1+json"},
    "forbidden": {"status": 403},
    "throttled": {"status": 429},
    "broken": {"status": 503},
}


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE)
def test_an_answer_that_is_no_word_on_a_package_packs_nothing_from_the_driver(
    server: Any, workshop: Workshop, inventory: Inventories, installed: Installed, answer: dict[str, Any]
) -> None:
    server.add("other", "other-1.0.tar.gz")
    server.say("/simple/six/", **answer)
    packed = []

    def capture(found: Distribution) -> CapturedFile:
        packed.append(found.name)
        return CapturedFile(filename="six-1.0-py3-none-any.whl", content=b"")

    found = inventory(installed("other", "1.0"), installed("six", "1.0", capturable=True))
    with pytest.raises(IndexUnreachable, match=re.escape(server.url)):
        workshop.lock(found, capture=capture)
    assert not packed


def test_a_file_with_a_hostile_name_or_address_is_not_taken(
    server: Any, workshop: Workshop, inventory: Inventories, installed: Installed
) -> None:
    server.projects["six"] = [
        {"filename": "six-1.0-py3-none-any.whl", "url": "javascript:alert(1)", "hashes": {"sha256": "0" * 64}}
    ]
    server.projects["abc"] = [
        {"filename": "abc-1.0.tar.gz", "url": "https://h.example/a", "hashes": {"sha256": "0; rm"}}
    ]
    for name in ("six", "abc"):
        with pytest.raises(IndexUnreachable, match=f"malformed.*asked for {name}"):
            workshop.lock(inventory(installed(name, "1.0")))


def test_what_the_base_has_at_that_version_is_provided_without_asking_the_index(
    server: Any, workshop: Workshop, inventory: Inventories, installed: Installed
) -> None:
    server.add("six", "six-1.0.tar.gz")
    base = inventory(
        installed("numpy", "1.23.5", layer=Layer.LOCAL),
        installed("six", "2.0"),
        installed("cl", "1.0", layer=Layer.EDGE),
    )
    lock = workshop.lock(
        inventory(installed("numpy", "1.23.5"), installed("six", "1.0"), installed("cl", "1.0")), on=base
    )
    assert fate(lock, "numpy").kind is FateKind.PROVIDED
    assert fate(lock, "six").kind is FateKind.MIRRORED
    assert fate(lock, "cl").kind is FateKind.UNAVAILABLE
    assert server.asked("numpy") == 0


def test_a_base_with_another_python_provides_nothing(
    workshop: Workshop, inventory: Inventories, installed: Installed
) -> None:
    lock = workshop.lock(inventory(installed("six", "1.0")), on=inventory(installed("six", "1.0"), python="3.12.3"))
    assert fate(lock, "six").kind is FateKind.UNAVAILABLE


def test_what_has_no_source_and_another_version_in_the_base_is_substituted_by_that(
    workshop: Workshop, inventory: Inventories, installed: Installed
) -> None:
    found = fate(workshop.lock(inventory(installed("six", "1.0")), on=inventory(installed("six", "1.1"))), "six")
    assert (found.kind, found.substitute) == (FateKind.SUBSTITUTED, "six 1.1")


def test_excluded_and_unreadable_entries_have_their_fates(
    server: Any, workshop: Workshop, inventory: Inventories, installed: Installed
) -> None:
    server.add("six", "six-2.0.tar.gz")
    near = installed("six", "2.0", layer=Layer.CLUSTER, location="/cluster")
    problem = Problem(path="/x/Broken.Thing-1.0.dist-info", reason="METADATA is\x85missing")
    hostile = Problem(path="/x/\\n$(id)", reason="bad name")
    lock = workshop.lock(
        inventory(near, installed("six", "1.0"), installed("pyspark", "3.5"), problems=(problem, hostile)),
        drop=frozenset({"pyspark"}),
    )
    kinds = sorted((f.name, f.version, f.kind.value) for f in lock.fates)
    assert kinds == [
        ("broken-thing", "unknown", "unavailable"),
        ("n-id", "unknown", "unavailable"),
        ("pyspark", "3.5", "excluded"),
        ("six", "1.0", "excluded"),
        ("six", "2.0", "mirrored"),
    ]
    assert package(lock, "six").layer is ImageLayer.CLUSTER
    assert "\x85" not in fate(lock, "broken-thing").reason


def test_an_apt_owned_distribution_comes_from_the_same_debian_package(
    server: Any, workshop: Workshop, inventory: Inventories, installed: Installed
) -> None:
    server.add("dbus-python", "dbus-python-1.2.18.tar.gz")
    found = installed("dbus-python", "1.2.18", layer=Layer.APT, location="/usr/lib", apt_package="python3-dbus")
    debian = (DebianPackage(name="python3-dbus", version="1.2.18-3build1"),)
    lock = workshop.lock(inventory(found, debian=debian), apt_candidates=apt(python3_dbus="1.2.18-3ubuntu2"))
    assert package(lock, "dbus-python").source == AptPackage(package="python3-dbus", version="1.2.18-3ubuntu2")
    assert package(lock, "dbus-python").layer is ImageLayer.SYSTEM
    assert fate(lock, "dbus-python").kind is FateKind.MIRRORED
    assert server.asked("dbus-python") == 0


def test_the_debian_version_decides_even_where_the_distribution_states_another(
    workshop: Workshop, inventory: Inventories, installed: Installed
) -> None:
    found = installed("unattended-upgrades", "0.1", layer=Layer.APT, apt_package="unattended-upgrades")
    debian = (DebianPackage(name="unattended-upgrades", version="2.8ubuntu1"),)
    lock = workshop.lock(inventory(found, debian=debian), apt_candidates=apt(unattended_upgrades="2.8ubuntu1"))
    assert fate(lock, "unattended-upgrades").kind is FateKind.MIRRORED
    assert package(lock, "unattended-upgrades").version == "0.1"


def test_another_debian_version_gives_way_to_an_exact_wheel_but_not_to_a_build(
    server: Any, workshop: Workshop, inventory: Inventories, installed: Installed
) -> None:
    server.add("blinker", "blinker-1.4-py3-none-any.whl")
    server.add("pygobject", "PyGObject-3.42.1.tar.gz")
    owned = [
        installed("blinker", "1.4", layer=Layer.APT, apt_package="python3-blinker"),
        installed("pygobject", "3.42.1", layer=Layer.APT, apt_package="python3-gi"),
    ]
    candidates = apt(python3_blinker="1.5-1", python3_gi="3.42.2-3+b1")
    lock = workshop.lock(inventory(*owned), apt_candidates=candidates)
    assert package(lock, "blinker").source.is_wheel
    assert package(lock, "blinker").layer is ImageLayer.RUNTIME
    assert package(lock, "pygobject").version == "3.42.2"
    substituted = fate(lock, "pygobject")
    assert (substituted.kind, substituted.substitute) == (FateKind.SUBSTITUTED, "python3-gi 3.42.2-3+b1")


def test_a_debian_package_that_the_image_has_not_is_built_or_unavailable(
    server: Any, workshop: Workshop, inventory: Inventories, installed: Installed
) -> None:
    server.add("dbus-python", "dbus-python-1.2.18.tar.gz")
    owned = [
        installed("dbus-python", "1.2.18", layer=Layer.APT, apt_package="python3-dbus"),
        installed("python-apt", "2.4.0", layer=Layer.APT, apt_package="python3-apt"),
    ]
    lock = workshop.lock(inventory(*owned), apt_candidates=apt())
    assert fate(lock, "dbus-python").kind is FateKind.MIRRORED
    assert "python3-apt" in fate(lock, "python-apt").reason


def test_a_private_package_is_packed_from_the_clusters_files(
    workshop: Workshop, inventory: Inventories, installed: Installed
) -> None:
    wheel = CapturedFile(filename="acme-1.0-py3-none-any.whl", content=b"a wheel")
    lock = workshop.lock(inventory(installed("acme", "1.0", capturable=True)), capture=lambda _found: wheel)
    source = package(lock, "acme").source
    assert isinstance(source, CapturedWheel)
    assert (workshop.folder / source.path).read_bytes() == b"a wheel"


def test_a_package_whose_address_is_not_for_a_cluster_to_name_is_packed_and_the_fate_says_why(
    workshop: Workshop, inventory: Inventories, installed: Installed, loopback: Callable[[], Any]
) -> None:
    inside = loopback()
    inside.add("acme", "acme-1.0.tar.gz")
    origin = DirectUrl(url=f"{inside.address}/files/acme-1.0.tar.gz")
    found = inventory(
        installed("acme", "1.0", capturable=True, direct_url=origin), installed("bare", "1.0", direct_url=origin)
    )
    wheel = CapturedFile(filename="acme-1.0-py3-none-any.whl", content=b"a wheel")
    lock = workshop.lock(found, capture=lambda _found: wheel)
    assert inside.requests == []
    assert (fate(lock, "acme").kind, fate(lock, "bare").kind) == (FateKind.MIRRORED, FateKind.UNAVAILABLE)
    for name, start in {
        "acme": "Packed from the files",
        "bare": "The address that it was installed from leads",
    }.items():
        assert fate(lock, name).reason.startswith(start)
        assert "leads to 127.0.0.1, which is for this machine alone" in fate(lock, name).reason


def test_a_capture_that_fails_or_hands_over_something_else_is_told(
    workshop: Workshop, inventory: Inventories, installed: Installed
) -> None:
    def capture(found: Distribution) -> CapturedFile:
        if found.name == "gone":
            raise RemoteError("a file was edited.")
        return CapturedFile(
            filename="../x-1.0-py3-none-any.whl" if found.name == "sly" else "a-9-py3-none-any.whl", content=b""
        )

    names = ("acme", "gone", "sly")
    lock = workshop.lock(inventory(*(installed(n, "1.0", capturable=True) for n in names)), capture=capture)
    assert "another name or version" in fate(lock, "acme").reason
    assert "a file was edited" in fate(lock, "gone").reason
    assert "valid name" in fate(lock, "sly").reason
    assert not list(workshop.folder.glob("**/*.whl"))


def test_the_observer_sees_every_package_that_is_looked_for(
    server: Any, workshop: Workshop, inventory: Inventories, installed: Installed
) -> None:
    class Recorder(Observer):
        def __init__(self) -> None:
            self.total: int | None = None
            self.texts: list[str] = []

        def started(self, stage: str, *, total: int | None = None) -> None:
            self.total = total

        def advanced(self, stage: str, text: str = "", *, steps: int = 1) -> None:
            self.texts.append(text)

    server.add("six", "six-1.0.tar.gz")
    recorder = Recorder()
    workshop.lock(inventory(installed("six", "1.0"), installed("zipp", "2.0")), observer=recorder)
    assert recorder.total == 2
    assert sorted(recorder.texts) == ["six 1.0", "zipp 2.0"]


NAMES = st.sampled_from(["a", "b", "c", "d"])
DECISIONS = st.lists(
    st.builds(
        Decision,
        name=NAMES,
        version=st.sampled_from(["1.0", "2.0"]),
        layer=st.sampled_from(Layer),
        location=st.sampled_from(["/x", "/y"]),
        verdict=st.sampled_from(Verdict),
        rule=st.just(Rule(name="default", pattern="*", reason="The test says so.")),
    ),
    max_size=8,
)
PROBLEMS = st.lists(
    st.builds(Problem, path=st.sampled_from(["/x/a", "/y/?"]), reason=st.text(max_size=5), name=st.none() | NAMES),
    max_size=4,
)


@given(decisions=DECISIONS, problems=PROBLEMS, data=st.data())
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_fates_add_up_or_the_difference_is_raised(
    decisions: list[Decision], problems: list[Problem], data: st.DataObject
) -> None:
    selection = Selection(
        snapshot="sha256:0", mode="blacklist", decisions=tuple(decisions), kept=(), problems=tuple(problems)
    )
    fates = [
        excluded(d) if d.verdict is Verdict.DROP else fate_of(d, FateKind.MIRRORED, "It is there.") for d in decisions
    ] + [unreadable(problem) for problem in problems]
    assert len(account(selection, data.draw(st.permutations(fates)))) == len(decisions) + len(problems)
    if fates:
        one = data.draw(st.sampled_from(fates))
        with pytest.raises(Unaccounted, match="a fate too many"):
            account(selection, [*fates, one])
        fates.remove(one)
        with pytest.raises(Unaccounted, match="no fate"):
            account(selection, fates)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_index_that_is_broken_for_one_package_ends_the_run_and_is_no_fate(
    workshop: Workshop, server: Any, inventory: Inventories, installed: Installed, status: int
) -> None:
    server.add("six", "six-1.0-py3-none-any.whl")
    server.add("numpy", "numpy-1.0-py3-none-any.whl")
    server.say("/simple/numpy/", status=status)
    with pytest.raises(IndexUnreachable, match="asked for numpy") as caught:
        workshop.lock(inventory(installed("six", "1.0"), installed("numpy", "1.0")))
    assert "Try again" in caught.value.remedy


def test_fates_that_do_not_speak_of_every_package_of_the_snapshot_are_refused(
    workshop: Workshop, server: Any, inventory: Inventories, installed: Installed
) -> None:
    server.add("six", "six-1.0-py3-none-any.whl")
    found = inventory(installed("six", "1.0"), installed("lost", "1.0"))
    fates = workshop.lock(found).fates
    require_complete(fates, found.distributions, found.problems, file="fates.json")
    with pytest.raises(LockError, match=r"lost 1\.0"):
        require_complete(
            [fate for fate in fates if fate.name != "lost"], found.distributions, found.problems, file="fates.json"
        )
