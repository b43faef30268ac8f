"""Which kernels a running lab lacks, and why, as its image says."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from dbmirror.engine import compose
from dbmirror.lab.paths import lab_paths
from dbmirror.processes.programs import ProcessFailed

FILE: Final = "/opt/lab/share/dbmirror/left-out.txt"
"""Written when the image was built, one sentence a line; missing where the lab lacks nothing."""


def missing_kernels(folder: Path) -> tuple[str, ...]:
    """A sentence on each kernel that the lab in the mirror's `folder` lacks; none where it has all or is down."""
    try:
        said = compose.execute(lab_paths(folder).project, "lab", ["cat", FILE])
    except ProcessFailed:
        return ()
    return tuple(said.stdout.splitlines()) if said.code == 0 else ()
