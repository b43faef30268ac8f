"""The R half of a lock, under its first name: see `dbmirror.lock.r.model`."""

from __future__ import annotations

from dbmirror.lock.r.model import (
    CapturedRPackage,
    CranFile,
    LockedRPackage,
    RAptPackage,
    RFate,
    RFileName,
    RGitSource,
    RLacking,
    RLock,
    RSource,
    RVersion,
    SourcePath,
)

__all__ = [
    "CapturedRPackage",
    "CranFile",
    "LockedRPackage",
    "RAptPackage",
    "RFate",
    "RFileName",
    "RGitSource",
    "RLacking",
    "RLock",
    "RSource",
    "RVersion",
    "SourcePath",
]
