"""The container's health check: healthy while the tunnel is connected; the log says where it stands."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from .settings import TUNNEL

STALE_SECONDS = 90.0
"""The state file is written every ten seconds; an attempt to connect takes half a minute at most."""


def examine(path: Path, *, now: float) -> tuple[bool, str]:
    """Whether the tunnel is up, and its state in words."""
    try:
        content = json.loads(path.read_text())
        state, text, updated = str(content["state"]), str(content["text"]), float(content["updated"])
    except (OSError, ValueError, TypeError, KeyError):
        return False, "starting: the supervisor has not published its state yet."
    if now - updated > STALE_SECONDS:
        return False, f"The supervisor has not reported for {now - updated:.0f} s; its last state was {state}."
    return state == "connected", f"{state}: {text}"


if __name__ == "__main__":
    up, words = examine(TUNNEL / "state.json", now=time.time())
    print(words)
    sys.exit(0 if up else 1)
