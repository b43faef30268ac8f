"""What the lab's images are made from: its requirements, the files that its lock names for them, and their lists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import dbmirror
from dbmirror.lock.debs.lab import LAB, PYTHON, R_KERNEL, TUNNEL, sums
from dbmirror.lock.lab import LabLock, requirement_lines
from dbmirror.lock.model import BaseKind, Lock
from dbmirror.render.debian_steps import deb_file
from dbmirror.render.dockerfile_templates import shipped_folder
from dbmirror.render.errors import RenderError
from dbmirror.render.file_groups import BuildFile, build_file

INSIDE: Final = Path(dbmirror.__file__).parent / "lab_containers" / "inside"
"""What runs inside the lab's containers."""
MISSING: Final = "lists/missing.txt"
"""What a build says that was not given its files; no part of an image."""


def lab_requirements(runtime: str) -> Mapping[str, str]:
    """What is locked for the lab of a mirror of `runtime`: a group's name to its requirements file.

    `installer`, `lab` (JupyterLab's environment), `parallel`, and `spark` where there is a client of the runtime's own
    version; those two are what kernels find beside the mirrored environment.
    """
    beside = INSIDE / "requirements"
    series = re.match(r"\d+\.\d+", runtime)
    spark = beside / f"spark-{series[0] if series else 'none'}.txt"
    found = {
        "installer": shipped_folder("images") / "python" / "build-tools.txt",
        "lab": shipped_folder("compose") / "lab" / "requirements.txt",
        "parallel": beside / "parallel.txt",
        **({"spark": spark} if spark.is_file() else {}),
    }
    return {name: path.read_text("utf-8") for name, path in found.items()}


def lab_packages(lock: Lock) -> Mapping[str, tuple[str, ...]]:
    """The Debian packages of the lab's images by group, beside those of the R kernel: a bare base is given Python."""
    folder = shipped_folder("compose")
    found = {LAB: _names(folder / "lab" / "apt.txt"), TUNNEL: _names(folder / "tunnel" / "apt.txt")}
    if lock.base.kind is BaseKind.BARE:
        python = python_release(lock)
        found[PYTHON] = (f"python{python}", f"python{python}-venv")
    return found


def python_release(lock: Lock) -> str:
    """X.Y of the mirror's Python. Raises RenderError."""
    release = lock.target.python.rpartition(".")[0]
    if not re.fullmatch(r"3\.\d+", release, re.ASCII):
        raise RenderError(f"{lock.target.python[:80]!r} is no release of Python.", remedy="Make the lock again.")
    return release


def fetched_files(lab_lock: LabLock | None) -> Mapping[str, tuple[BuildFile, ...]]:
    """What the builds are handed, in folders by their name; only those that have any."""
    if lab_lock is None:
        return {}
    wheels = {group: tuple(build_file(file) for file in files) for group, files in lab_lock.wheels.items()}
    debs = lab_lock.debs.files if lab_lock.debs is not None else {}
    return wheels | {group: tuple(deb_file(file) for file in files) for group, files in debs.items() if files}


def lab_lists(mirror: str, lab_lock: LabLock | None) -> Mapping[str, bytes]:
    """What the build of the lab's image installs, as files of its context."""
    wheels = lab_lock.wheels if lab_lock is not None else {}
    reason = lab_lock.debs.no_r_kernel if lab_lock is not None and lab_lock.debs is not None else None
    return {
        **_lists(mirror, lab_lock, (PYTHON, LAB, R_KERNEL)),
        **{f"lists/{group}.txt": requirement_lines(files).encode() for group, files in wheels.items()},
        **({"lists/left-out.txt": f"{reason}\n".encode()} if reason else {}),
    }


def tunnel_lists(mirror: str, lab_lock: LabLock | None) -> Mapping[str, bytes]:
    """The same for the tunnel's image."""
    return _lists(mirror, lab_lock, (TUNNEL,))


def _lists(mirror: str, lab_lock: LabLock | None, groups: Iterable[str]) -> dict[str, bytes]:
    """The Debian packages of `groups`, and what a build says that was not given the files."""
    missing = (
        f"dbmirror: the files that this image is made from are not here. 'dbmirror lab up {mirror}' fetches them; from "
        "then on 'docker compose build' works, too.\n"
    )
    debs = lab_lock.debs.files if lab_lock is not None and lab_lock.debs is not None else {}
    return {
        MISSING: missing.encode(),
        **{f"lists/{group}.txt": sums(debs[group]).encode() for group in groups if group in debs},
    }


def _names(path: Path) -> tuple[str, ...]:
    return tuple(line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#"))
