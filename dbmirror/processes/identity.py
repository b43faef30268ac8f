"""Which process a number means: the number alone is given to another one later."""

from __future__ import annotations

from pathlib import Path

import psutil


def started(pid: int) -> str | None:
    """When the process `pid` started, as text that no other process of that number has; None where it does not run.

    Linux counts it from the start of the machine, so that setting the clock does not change it. One that has ended and
    waits for its parent does not run.
    """
    if pid <= 0:
        return None
    try:
        # proc_pid_stat(5): the name may hold anything, its last parenthesis cannot.
        words = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return None if words[0] in "ZX" else words[19]
    except (OSError, IndexError):
        pass
    if Path("/proc/self/stat").exists():
        return None
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.Error:
        return None
