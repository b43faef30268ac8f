"""What the collector costs the host: for 175 distributions at most 0.3 s and 60 MB beyond the interpreter's start.

Seconds of a processor, not of a clock: a clock says more about what else the machine does.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
from typing import Any

import pytest

from dbmirror.hosts.local import LocalHost
from dbmirror.inventory.collect import collect
from dbmirror.inventory.sent_programs import bundle

DISTRIBUTIONS = 175
SECONDS = 0.3
MEBIBYTES = 60
ROUNDS = 7


REPORT_PEAK = b"\nimport sys; sys.stderr.write(open('/proc/self/status').read())\n"
"""The peak is read off the process itself: what wait4 says of a child includes the memory of the forking parent."""


def cost(argv: list[str], stdin: bytes) -> tuple[float, float]:
    """Median processor time in seconds, and the largest peak of memory in MiB, of some runs of `argv`."""
    times = []
    peaks = []
    for _ in range(ROUNDS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(argv, input=stdin + REPORT_PEAK, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        (peak,) = (line.split()[1] for line in done.stderr.decode().splitlines() if line.startswith("VmHWM"))
        peaks.append(int(peak) / 1024)
    return statistics.median(times), max(peaks)


@pytest.fixture
def full_tree(tree: Any) -> Any:
    """175 distributions as heavy as real ones: a long description, requirements, hundreds of files in RECORD."""
    requirements = "".join(f"Requires-Dist: requirement-{number} >=1.0 ; extra == 'all'\n" for number in range(25))
    record = "".join(
        f"package/module_{number}.py,sha256={'A' * 43},1234\npackage/__pycache__/module_{number}.cpython-311.pyc,,\n"
        for number in range(200)
    )
    for number in range(DISTRIBUTIONS):
        folder = tree.install(
            f"package-{number}",
            f"{number}.0.1",
            metadata=f"Summary: x\nClassifier: y\n{requirements}",
            body="A long description.\n" * 1000,
            extra={"entry_points.txt": "[console_scripts]\n", "top_level.txt": "package\n", "LICENSE": "x" * 11_000},
        )
        with (folder / "RECORD").open("a") as stream:
            stream.write(record)
    return tree


def test_collecting_is_quick_and_small(full_tree: Any) -> None:
    python = [str(full_tree.python), "-I", "-S", "-B", "-"]
    bare_seconds, bare_memory = cost(python, b"pass\n")
    seconds, memory = cost([*python, "0" * 32, "own"], bundle("collector"))

    print(f"beyond the bare start: {seconds - bare_seconds:.3f} s, {memory - bare_memory:.1f} MiB", file=sys.stderr)
    assert seconds - bare_seconds < SECONDS
    assert memory - bare_memory < MEBIBYTES


def test_ten_thousand_distributions_are_collected(tree: Any) -> None:
    for number in range(10_000):
        folder = tree.site / f"many_{number}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_bytes(b"Name: many-%d\nVersion: 1.0\n\n" % number)

    assert len(collect(LocalHost(), interpreter=str(tree.python), timeout=60).distributions) == 10_000
