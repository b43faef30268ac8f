"""A cluster of 5,000 distributions, from its inventory to the files of its image, in a time that grows as they do.

The index is recorded: no network. That the collector reads 10,000 stands in tests/inventory/test_speed.py.
"""

from __future__ import annotations

import resource
import time
from pathlib import Path

from dbmirror.lock.fates import FateKind
from dbmirror.lock.python.index import Index
from dbmirror.lock.python.index_location import IndexLocation
from dbmirror.lock.python.make import make_lock
from dbmirror.lock.python.project_page import parse_project_page
from dbmirror.render.image import render
from dbmirror.runtimes.lookup import lookup
from tests.builders import a_base, a_distribution, a_snapshot, index_settings, python_selection
from tests.supported import supported

URL = "https://index.example/simple/"
MOST = 5_000
SECONDS = 12.0
"""Of a processor, for all of MOST; a quiet machine takes some four."""
MEBIBYTES = 100
"""That MOST may add to what the process has used at most until then; some 20 are taken."""
GROWTH = 2.5
"""Twice the packages take twice the time, and four times where something looks at every pair."""


class Recorded(Index):
    """An index that has each project in its first three versions."""

    def project(self, location: IndexLocation, name: str) -> object:  # type: ignore[override]
        links = "".join(f'<a href="{name}-{n}.0-py3-none-any.whl#sha256={n:064x}">{name}-{n}.0-py3-none-any.whl</a>'
                        for n in (1, 2, 3))  # fmt: skip
        self._found.add(location.url)
        return parse_project_page(name, "text/html", links.encode(), f"{URL}{name}/")


def mirrored(number: int, folder: Path) -> float:
    """Seconds of a processor from an inventory of so many distributions to the rendered files."""
    began = time.process_time()
    snapshot = a_snapshot(*(a_distribution(f"many{n}", "2.0", requires=(f"many{n + 1}>=1",)) for n in range(number)))
    selection = python_selection(snapshot)
    with Recorded(index_settings([IndexLocation(url=URL, origin="the test")])) as index:
        lock = make_lock(
            selection, snapshot, runtime="15.4", base=a_base(), base_inventory=None, index=index, folder=folder
        )
    context = render(supported(lock), lookup("15.4"), mirror="demo")
    took = time.process_time() - began
    assert [fate.kind for fate in lock.fates] == [FateKind.MIRRORED] * number
    assert len(lock.packages) == number
    assert sum(content.count(b"many") >= number for content in context.files.values())
    return took


def test_5000_distributions_take_twice_the_time_of_half_as_many(tmp_path: Path) -> None:
    mirrored(100, tmp_path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    half, whole = mirrored(MOST // 2, tmp_path), mirrored(MOST, tmp_path)
    if whole >= GROWTH * half:
        # What came in between on a loaded machine.
        half, whole = mirrored(MOST // 2, tmp_path), mirrored(MOST, tmp_path)
    assert whole < SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < MEBIBYTES
    assert whole < GROWTH * half, f"{half:.2f} s for {MOST // 2}, {whole:.2f} s for {MOST}"
