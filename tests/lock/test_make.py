"""The lock stage: both languages of one snapshot, each package with its one fate, against real servers on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dbmirror.config import RConfig
from dbmirror.filters.flavour import Flavour
from dbmirror.lock.fates import FateKind
from dbmirror.lock.make import Sources, lock_mirror
from dbmirror.lock.mirror_lock import MirrorLock
from dbmirror.lock.python.index_location import IndexLocation
from dbmirror.runtimes.lookup import lookup
from dbmirror.sandbox.r_repository import make_repository, serve
from dbmirror.snapshot import Snapshot
from tests.builders import (
    a_base,
    a_distribution,
    a_snapshot,
    an_r_package,
    index_settings,
    python_selection,
    r_selection,
)

NOTEBOOK = {"Rserve": "1.8-15", "TeachingDemos": "2.13", "htmltools": "0.5.8.1", "hwriter": "1.3.2.1"}
"""What R notebooks need, as the sandbox's repository has it."""
SNAPSHOT = a_snapshot(
    a_distribution("acme", "1.0"),
    a_distribution("lost", "3.0"),
    r_version="4.2.2",
    r_packages=tuple(
        an_r_package(name, version, built_under="4.2.2")
        for name, version in {"sandboxGreeting": "1.2.0", **NOTEBOOK, "hwriterPlus": "1.0-3"}.items()
    ),
)


@pytest.fixture
def sources(server: Any, tmp_path: Path) -> Iterator[Sources]:
    """An index that has `acme` and not `lost`, and the sandbox's own CRAN."""
    server.add("acme", "acme-1.0-py3-none-any.whl")
    make_repository(tmp_path / "cran")
    with serve(tmp_path / "cran") as url:
        yield Sources(
            indexes=index_settings([IndexLocation(url=server.url, origin="the test")]),
            r=RConfig(repositories=(url,)),
            root=tmp_path,
            ca_bundle=None,
            driver=None,
        )


def locked(sources: Sources, flavour: Flavour, *, snapshot: Snapshot = SNAPSHOT, **more: Any) -> MirrorLock:
    return lock_mirror(
        snapshot,
        selection=python_selection(snapshot),
        r_selection=r_selection(snapshot),
        flavour=flavour,
        runtime=lookup("15.4"),
        base=(a_base(), None),
        candidates=lambda _: {},
        sources=sources,
        folder=sources.root / "mirror",
        **more,
    )


def fates(lock: MirrorLock) -> dict[str, FateKind]:
    both = (*lock.python.fates, *(lock.r.fates if lock.r else ()))
    return {each.name: each.kind for each in both}


def test_both_languages_get_their_sources_and_every_package_one_fate(sources: Sources) -> None:
    lock = locked(sources, Flavour.PYTHON_R)
    found = fates(lock)
    names = {each.name for each in (*SNAPSHOT.inventory.distributions, *SNAPSHOT.inventory.r_packages)}
    assert names <= set(found)
    assert (found["acme"], found["lost"]) == (FateKind.MIRRORED, FateKind.UNAVAILABLE)
    assert found["sandboxGreeting"] is FateKind.MIRRORED
    assert lock.snapshot == SNAPSHOT.digest
    assert lock.r is not None
    assert "sandboxGreeting" in {package.name for package in lock.r.packages}


@pytest.mark.parametrize(("flavour", "left_out"), [(Flavour.PYTHON, "sandboxGreeting"), (Flavour.R, "acme")])
def test_what_the_flavour_leaves_out_is_excluded_by_that_rule(
    sources: Sources, flavour: Flavour, left_out: str
) -> None:
    lock = locked(sources, flavour)
    both = (*lock.python.fates, *(lock.r.fates if lock.r else ()))
    (fate,) = (each for each in both if each.name == left_out)
    assert fate.kind is FateKind.EXCLUDED
    assert "flavour" in fate.reason
    assert left_out not in {package.name for package in lock.python.packages}


def test_the_same_snapshot_gives_the_same_lock_with_and_without_the_one_before(sources: Sources) -> None:
    first = locked(sources, Flavour.PYTHON_R)
    assert locked(sources, Flavour.PYTHON_R).digest == first.digest
    assert locked(sources, Flavour.PYTHON_R, previous=first).digest == first.digest
    other = a_snapshot(a_distribution("acme", "1.0"), r_version="4.2.2", r_packages=SNAPSHOT.inventory.r_packages)
    assert locked(sources, Flavour.PYTHON_R, snapshot=other).digest != first.digest
