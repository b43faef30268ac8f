"""Whether this machine has the Databricks CLI that brings `databricks ssh`."""

from __future__ import annotations

import re
from typing import Final

from dbmirror.hosts.ssh_files import starting_folder
from dbmirror.processes.programs import ProcessFailed, capture

FIRST_WITH_SSH: Final = (0, 269)
"""The first release of the CLI that has `databricks ssh`."""
_SECONDS: Final = 5.0


def has_databricks_ssh() -> bool:
    """Whether `databricks --version` says a release that has it; nothing else is asked of the program."""
    try:
        said = capture(["databricks", "--version"], timeout=_SECONDS, folder=starting_folder(), limit=1 << 16).stdout
    except ProcessFailed:
        return False
    # The CLI of before, in Python, says "Version 0.18".
    release = re.search(rb"Databricks CLI v(\d+)\.(\d+)", said)
    return release is not None and (int(release[1]), int(release[2])) >= FIRST_WITH_SSH
