"""What the lab's images are made from: its requirements, the files that its lock names for them, and their lists."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import dbmirror
from dbmirror.lock.lab import LabLock, requirement_lines
from dbmirror.render.dockerfile_templates import shipped_folder
from dbmirror.render.file_groups import BuildFile, build_file

INSIDE: Final = Path(dbmirror.__file__).parent / "lab_containers" / "inside"
"""What runs inside the lab's containers."""


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


def fetched_files(lab_lock: LabLock | None) -> Mapping[str, tuple[BuildFile, ...]]:
    """What the build is handed, in folders by their name."""
    groups = lab_lock.wheels if lab_lock is not None else {}
    return {group: tuple(build_file(file) for file in files) for group, files in groups.items()}


def lists(mirror: str, lab_lock: LabLock | None) -> Mapping[str, bytes]:
    """What the build installs, as files of its context, and what it says where they are missing."""
    groups = lab_lock.wheels if lab_lock is not None else {}
    missing = (
        f"dbmirror: the files that this image is made from are not here. 'dbmirror lab up {mirror}' fetches them; from "
        "then on 'docker compose build' works, too.\n"
    )
    return {
        "lists/missing.txt": missing.encode(),
        **{f"lists/{group}.txt": requirement_lines(files).encode() for group, files in groups.items()},
    }
