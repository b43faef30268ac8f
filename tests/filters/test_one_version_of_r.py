"""The version of an R package that diff and check name is the one that the filters, the lock and explain go by."""

from __future__ import annotations

from itertools import combinations, permutations

import pytest

from dbmirror.filters.explain import explain
from dbmirror.filters.languages import r
from dbmirror.inventory.compare import compare
from tests.builders import a_snapshot, an_inventory, an_r_package, lists, r_selection

PLATFORM = "/databricks/spark/R/lib"
LIBRARIES = (
    "/local_disk0/.ephemeral_nfs/envs/rEnv-1",
    PLATFORM,
    "/local_disk0/.ephemeral_nfs/cluster_libraries/r",
    "/usr/local/lib/R/site-library",
    "/usr/lib/R/site-library",
    "/usr/lib/R/library",
    "/opt/other",
)
"""In R's search order; the platform's, second, stands back."""


@pytest.mark.parametrize("libraries", [*combinations(LIBRARIES, 2), *permutations(LIBRARIES[:4])])
def test_every_room_names_one_version(libraries: tuple[str, ...]) -> None:
    copies = tuple(an_r_package("zoo", f"{LIBRARIES.index(library)}.0", library) for library in libraries)
    snapshot = a_snapshot(inventory=an_inventory(r_version="4.4.2", r_packages=copies))
    ((_, named),) = compare(snapshot.inventory, snapshot.inventory).r.same
    language = r.r_language(snapshot.inventory)
    explained = explain(r_selection(snapshot), "zoo", language=language, lists=lists(r.SPELLING))
    assert explained.decision is not None
    assert named == explained.decision.version
    own = [library for library in LIBRARIES if library in libraries and library != PLATFORM] or [PLATFORM]
    assert named == f"{LIBRARIES.index(own[0])}.0"
