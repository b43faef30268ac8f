"""How much a driver may say: whoever may write there can answer without end."""

from __future__ import annotations

MOST_NAMES = 1_000_000
"""Names of one copy, some 500 MB of memory: a dataset of a million files is better packed first."""
DEEPEST = 200
"""Folders within each other: a path of 4096 bytes, Linux's longest, seldom has more."""
SILENT_SECONDS = 120.0
"""How long the driver may say nothing in the middle of a copy: a disk that sleeps needs some 20."""
GROWTH = 64 << 20
"""Bytes that a file may have gained since it was listed: a log that is being written. One without an end has more."""
