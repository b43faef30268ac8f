"""What a lab that runs goes without, as its image says: a kernel that could not be had."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from dbmirror.engine import compose
from dbmirror.lab.files import places
from dbmirror.processes.programs import ProcessFailed

FILE: Final = "/opt/lab/share/dbmirror/left-out.txt"
"""Written when the image was built, a sentence a line; missing where the lab goes without nothing."""


def left_out(folder: Path) -> tuple[str, ...]:
    """Sentences on what the lab in the mirror's `folder` goes without, and why; none where it has all or is down."""
    try:
        said = compose.execute(places(folder).project, "lab", ["cat", FILE])
    except ProcessFailed:
        return ()
    return tuple(said.stdout.splitlines()) if said.code == 0 else ()
