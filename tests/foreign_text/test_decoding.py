"""Values of many threads at once: the first use of a type is one thread's."""

from __future__ import annotations

import subprocess
import sys

MANY = """
import threading
from dbmirror.foreign_text.decoding import convert
from msgspec import Struct, defstruct
for round in range(30):
    inner = defstruct(f"Inner{round}", [("x", int), ("y", str)])
    outer = defstruct(f"Outer{round}", [("inner", inner), ("more", list[inner])])
    barrier = threading.Barrier(8)
    found = []
    def work():
        barrier.wait()
        found.append(convert({"inner": {"x": 1, "y": "a"}, "more": [{"x": 2, "y": "b"}]}, outer))
    threads = [threading.Thread(target=work) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(found) == 8 and all(value == found[0] for value in found), found
print("done")
"""


def test_the_first_use_of_a_type_by_many_threads_ends_well() -> None:
    done = subprocess.run([sys.executable, "-c", MANY], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
