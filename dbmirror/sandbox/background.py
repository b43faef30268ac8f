"""The processes that the sandbox leaves running behind a command, and whether they have ended."""

from __future__ import annotations

import os
from pathlib import Path


def still_runs(pid: int, module: str, folder: Path) -> bool:
    """Whether `pid` is still the `python -m MODULE` of `folder`: a number may have gone to another process."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    # Only after the look: what ended between the two would else stay behind, unreaped, and pass for gone. A process
    # that is ending has no command line any more, a moment before its parent can reap it.
    try:
        ours, reaped = True, os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        ours, reaped = False, False
    if not command:
        return ours and not reaped
    return module.encode() in command and str(folder).encode() in command
