"""A lock made from an earlier one: what did not change is not asked for again."""

from collections.abc import Callable
from typing import Any

from dbmirror.inventory.installed_files import CapturedFile
from dbmirror.inventory.layers import Layer
from dbmirror.inventory.model import Distribution
from dbmirror.lock.fates import FateKind
from dbmirror.lock.model import ImageLayer
from dbmirror.lock.python.lock_files import write_lock
from tests.lock.python.workshop import Installed, Inventories, Workshop, apt, fate, package


def test_an_index_that_comes_first_now_is_asked_for_what_was_locked_before(
    server: Any,
    loopback: Callable[[], Any],
    workshop: Workshop,
    inventory: Inventories,
    installed: Installed,
    index_of: Any,
) -> None:
    public = loopback()
    public.add("acme", "acme-1.0.tar.gz")
    found = inventory(installed("acme", "1.0"))
    before = workshop.lock(found, index=index_of(server.url, public.url))
    assert getattr(package(before, "acme").source, "index", "") == public.url
    private = loopback()
    private.add("acme", "acme-1.0.tar.gz")
    after = workshop.lock(found, index=index_of(private.url, server.url, public.url), previous=before)
    assert getattr(package(after, "acme").source, "index", "") == private.url


def test_an_unchanged_snapshot_needs_no_index_and_gives_the_same_bytes(
    server: Any, workshop: Workshop, inventory: Inventories, installed: Installed
) -> None:
    server.add("six", "six-1.0.tar.gz")
    owned = installed("pygobject", "3.42.1", layer=Layer.APT, apt_package="python3-gi")
    found = inventory(owned, installed("six", "1.0"), installed("private", "1.0"))
    first = workshop.lock(found, apt_candidates=apt(python3_gi="3.50-1"))
    write_lock(first, workshop.folder)
    asked = len(server.requests)
    again = workshop.lock(found, previous=first)
    assert again == first
    assert write_lock(again, workshop.folder) == ()
    assert len(server.requests) == asked


def test_only_what_changed_is_asked_for(
    server: Any, workshop: Workshop, inventory: Inventories, installed: Installed
) -> None:
    for name in ("six-1.0", "zipp-1.0", "zipp-2.0"):
        server.add(name.partition("-")[0], f"{name}.tar.gz")
    first = workshop.lock(inventory(installed("six", "1.0"), installed("zipp", "1.0")))
    moved = installed("six", "1.0", layer=Layer.CLUSTER)
    again = workshop.lock(inventory(moved, installed("zipp", "2.0")), previous=first)
    assert (server.asked("six"), server.asked("zipp")) == (1, 2)
    assert package(again, "six").layer is ImageLayer.CLUSTER
    assert fate(again, "six").layer is Layer.CLUSTER


def test_another_target_or_index_asks_for_everything_again(
    server: Any,
    loopback: Callable[[], Any],
    workshop: Workshop,
    inventory: Inventories,
    installed: Installed,
    index_of: Any,
) -> None:
    server.add("six", "six-1.0.tar.gz")
    first = workshop.lock(inventory(installed("six", "1.0"), installed("private", "1.0")))
    workshop.lock(inventory(installed("six", "1.0"), glibc="2.39"), previous=first)
    assert server.asked("six") == 2
    extra = loopback()
    extra.add("private", "private-1.0.tar.gz")
    found = inventory(installed("six", "1.0"), installed("private", "1.0"))
    again = workshop.lock(found, previous=first, index=index_of(server.url, extra.url))
    assert fate(again, "private").kind is FateKind.MIRRORED
    assert server.asked("six") == 3


def test_a_captured_wheel_is_packed_again_only_if_it_is_gone_or_was_changed(
    workshop: Workshop, inventory: Inventories, installed: Installed
) -> None:
    packed = []

    def capture(found: Distribution) -> CapturedFile:
        packed.append(found.name)
        return CapturedFile(filename="acme-1.0-py3-none-any.whl", content=b"a wheel")

    found = inventory(installed("acme", "1.0", capturable=True))
    first = workshop.lock(found, capture=capture)
    workshop.lock(found, capture=capture, previous=first)
    assert packed == ["acme"]
    (workshop.folder / "wheels" / "acme-1.0-py3-none-any.whl").write_bytes(b"changed")
    assert workshop.lock(found, capture=capture, previous=first) == first
    assert packed == ["acme", "acme"]
