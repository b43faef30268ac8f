"""Values of many threads at once: the first use of a type is one thread's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
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


RENDERED = """
import os, sys, threading
from dbmirror.lock.model import Lock
from dbmirror.render.image import _validated
from tests.builders import a_lock
lock = a_lock()
sys.setswitchinterval(1e-6)
def work(barrier):
    barrier.wait()
    _validated(lock, Lock)
for attempt in range(60):
    child = os.fork()
    if child == 0:
        barrier = threading.Barrier(4)
        threads = [threading.Thread(target=work, args=(barrier,)) for _ in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0, os.waitstatus_to_exitcode(status)
print("done")
"""


def test_mirrors_that_are_rendered_side_by_side_end_well() -> None:
    done = subprocess.run(
        [sys.executable, "-c", RENDERED], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
