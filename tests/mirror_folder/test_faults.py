"""Runs that are killed and disks that are full leave no half file in a mirror's folder."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from dbmirror.mirror_folder.files import write_below

SIZES = {"pylock.toml": 300_000, "image/Dockerfile": 50_000, "fates.json": 700_000}
WRITES = """
import sys
from itertools import cycle
from pathlib import Path
from dbmirror.mirror_folder.files import write_below

sizes = {sizes}
for digit in cycle(b"123456789"):
    write_below(Path(sys.argv[1]), {{name: bytes([digit]) * size for name, size in sizes.items()}})
    print("written", flush=True)
"""
FULL = """
import resource, sys
from pathlib import Path
from dbmirror.errors import UsageError
from dbmirror.mirror_folder.files import write_below

sizes, folder = {sizes}, Path(sys.argv[1])
for number in range(33):
    resource.setrlimit(resource.RLIMIT_FSIZE, (number * 25_000, resource.RLIM_INFINITY))
    try:
        write_below(folder, {{name: b"%02d" % number * (size // 2) for name, size in sizes.items()}})
        outcome = "written"
    except UsageError as error:
        outcome = error.remedy
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert found == sorted(sizes), found
    print({{(folder / name).read_bytes()[:2].decode() for name in sizes}}, outcome, flush=True)
"""
"""A limit of a file's size ends a write in its middle, as a full disk does."""


def first_of_each(folder: Path) -> dict[str, bytes]:
    """The bytes that each file is made of. A file is of one kind of byte, and whole."""
    found = {}
    for name, size in SIZES.items():
        content = (folder / name).read_bytes()
        assert len(content) == size, f"{name} is cut"
        assert len(set(content)) == 1, f"{name} is mixed"
        found[name] = content[:1]
    return found


def test_22_runs_that_are_killed_leave_no_half_file_and_the_next_run_clears_up(tmp_path: Path) -> None:
    write_below(tmp_path, {name: b"0" * size for name, size in SIZES.items()})
    argv = [sys.executable, "-c", WRITES.format(sizes=SIZES), str(tmp_path)]
    left = 0
    for moment in range(22):
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"written\n"
            time.sleep(moment * 0.0007)
            child.kill()
        first_of_each(tmp_path)
        left += sum(path.is_file() for path in tmp_path.rglob("*")) > len(SIZES)
    assert left, "no run was killed while it wrote"
    write_below(tmp_path, {name: b"0" * size for name, size in SIZES.items()})
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()} == set(SIZES)


def test_33_full_disks_leave_all_the_old_files_or_all_the_new_ones(tmp_path: Path) -> None:
    write_below(tmp_path, {name: b"--" * (size // 2) for name, size in SIZES.items()})
    argv = [sys.executable, "-c", FULL.format(sizes=SIZES), str(tmp_path)]
    lines = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    refused = [line for line in lines if "what was there before is unchanged" in line]
    # 28 times 25,000 bytes is as much as the largest file takes.
    assert (len(lines), len(refused)) == (33, 28)
    assert all(line.startswith("{'--'}") for line in refused), refused
    assert lines[28:] == [f"{{'{number}'}} written" for number in range(28, 33)]
