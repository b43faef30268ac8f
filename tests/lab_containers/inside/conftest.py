"""The path that the lab and its kernels have: `dbmirror_lab` and `dbmirror_shim` are packages of their own there."""

from __future__ import annotations

import sys
from pathlib import Path

import dbmirror.lab_containers

INSIDE = Path(dbmirror.lab_containers.__file__).parent / "inside"
for folder in (INSIDE, INSIDE / "dbmirror_lab" / "shim"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
