"""Which index a whole lock takes a name from."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dbmirror.inventory.installed_files import CapturedFile
from dbmirror.inventory.model import DirectUrl, Distribution, Inventory
from dbmirror.lock.errors import IndexUnreachable
from dbmirror.lock.fates import FateKind
from dbmirror.lock.model import CapturedWheel, IndexFile
from dbmirror.lock.python.index_settings import Choice
from dbmirror.snapshot import ClusterLibrary, Snapshot
from tests.lock.python.workshop import Installed, Inventories, Workshop, fate, package


def test_a_private_build_is_never_replaced_by_a_stranger_of_the_same_name(
    server: Any, workshop: Workshop, inventory: Inventories, installed: Installed
) -> None:
    stranger = server.add("acme", "acme-1.0-py3-none-any.whl")
    origin = DirectUrl(url="file:///dbfs/acme-1.0-py3-none-any.whl", sha256="0" * 64)
    lock = workshop.lock(inventory(installed("acme", "1.0", direct_url=origin)))
    assert fate(lock, "acme").kind is FateKind.UNAVAILABLE
    same = replace(origin, sha256=stranger)
    lock = workshop.lock(inventory(installed("acme", "1.0", direct_url=same)))
    assert isinstance(package(lock, "acme").source, IndexFile)


def test_by_pips_rule_an_extra_index_has_what_the_main_one_lacks_and_a_wheel_beats_a_source_distribution(
    server: Any,
    loopback: Callable[[], Any],
    workshop: Workshop,
    inventory: Inventories,
    installed: Installed,
    index_of: Any,
) -> None:
    extra = loopback()
    server.add("six", "six-1.0-py3-none-any.whl")
    server.add("torch", "torch-2.3.1.tar.gz")
    extra.add("torch", "torch-2.3.1+cpu-cp311-cp311-manylinux1_x86_64.whl")
    server.add("wrapt", "wrapt-1.0.tar.gz")
    extra.add("wrapt", "wrapt-1.0-py3-none-any.whl")
    found = inventory(installed("six", "1.0"), installed("torch", "2.3.1+cpu"), installed("wrapt", "1.0"))
    lock = workshop.lock(found, index=index_of(server.url, extra.url, choice=Choice.BEST_FILE))
    assert {p.name: getattr(p.source, "index", "") for p in lock.packages} == {
        "six": server.url,
        "torch": extra.url,
        "wrapt": extra.url,
    }
    assert lock.indexes == (server.url, extra.url)


def test_by_uvs_rule_the_first_index_that_knows_a_name_decides(
    server: Any,
    loopback: Callable[[], Any],
    workshop: Workshop,
    inventory: Inventories,
    installed: Installed,
    index_of: Any,
) -> None:
    public = loopback()
    server.add("acme", "acme-1.0.tar.gz")
    public.add("acme", "acme-1.0-py3-none-any.whl")
    server.add("older", "older-0.9.tar.gz")
    public.add("older", "older-1.0.tar.gz")
    public.add("six", "six-1.0.tar.gz")
    found = inventory(*(installed(name, "1.0") for name in ("acme", "older", "six")))
    lock = workshop.lock(found, index=index_of(server.url, public.url))
    assert {p.name: getattr(p.source, "index", "") for p in lock.packages} == {"acme": server.url, "six": public.url}
    assert "no version 1.0" in fate(lock, "older").reason
    assert public.asked("acme") == 0


class ClusterOf:
    """A cluster that installed acme from an index that its library names."""

    def __init__(self, cluster: Callable[..., Snapshot], repo: str) -> None:
        self.make, self.repo = cluster, repo

    def __call__(self, found: Inventory) -> Snapshot:
        snapshot = self.make(found)
        library = ClusterLibrary(kind="pypi", specification=f"Acme==1.0 --index-url {self.repo}", status="INSTALLED")
        return replace(snapshot, cluster=replace(snapshot.cluster, libraries=(library,)))


def test_the_index_that_the_clusters_library_names_decides_before_all_others(
    server: Any,
    loopback: Callable[[], Any],
    workshop: Workshop,
    inventory: Inventories,
    installed: Installed,
    index_of: Any,
) -> None:
    first = loopback()
    for each in (first, server):
        each.add("acme", "acme-1.0.tar.gz")
    workshop.cluster = ClusterOf(workshop.cluster, server.url.rstrip("/"))
    lock = workshop.lock(inventory(installed("acme", "1.0")), index=index_of(first.url, server.url))
    assert getattr(package(lock, "acme").source, "index", "") == server.url
    assert first.asked("acme") == 0


def test_an_index_that_only_the_cluster_names_is_asked_as_a_stranger_and_no_other_one_instead(
    server: Any, loopback: Callable[[], Any], workshop: Workshop, inventory: Inventories, installed: Installed
) -> None:
    inside = loopback()
    for each in (inside, server):
        each.add("acme", "acme-1.0.tar.gz")
    workshop.cluster = ClusterOf(workshop.cluster, inside.url)

    def capture(_: Distribution) -> CapturedFile:
        return CapturedFile(filename="acme-1.0-py3-none-any.whl", content=b"packed")

    lock = workshop.lock(inventory(installed("acme", "1.0", capturable=True)), capture=capture)
    assert isinstance(package(lock, "acme").source, CapturedWheel)
    assert "for this machine alone" in fate(lock, "acme").reason
    assert not inside.requests
    assert server.asked("acme") == 0


def test_an_address_that_has_nothing_at_all_is_no_index(
    server: Any, workshop: Workshop, inventory: Inventories, installed: Installed
) -> None:
    several = inventory(*(installed(f"p{number}", "1.0") for number in range(6)))
    with pytest.raises(IndexUnreachable, match="none of the 6 packages"):
        workshop.lock(several)
    server.add("pip", "pip-23.0.tar.gz")
    assert workshop.lock(several).counts()[FateKind.UNAVAILABLE] == 6
