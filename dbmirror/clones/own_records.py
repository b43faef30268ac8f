"""Which records this machine made itself: one in a mirror's folder can come from anywhere and say anything.

`build.json` and `verification.json` are committed, so that people can read them, and cloned, so that a stranger can
have written them. What counts for the gate is what this user's dbmirror has seen on this machine: the digest of each
record that it wrote, in its state folder. A record binds itself: it names image, lock and verifier. The same holds for
what the user agreed to (see clones/agreements.py), and for the base images that the sandbox made.
"""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Final

from dbmirror.errors import UsageError
from dbmirror.files import sha256_hex, write_atomically
from dbmirror.folders import make_private, state_folder

MOST: Final = 1_000
"""Records of each kind that are remembered; after that the oldest go, and what they said has to be made again."""

_of_this_run: set[tuple[str, str]] = set()
"""Those that this very process made: where the state folder cannot be written they are good until its end."""


class Kind(StrEnum):
    """What a record tells."""

    BUILD = "build"
    VERIFICATION = "verification"
    LAB_LOCK = "lab-lock"
    SNAPSHOT = "snapshot"
    """The digest of a snapshot that this machine read from a cluster."""
    LOCK = "lock"
    """The digest of a lock whose packages this machine chose."""
    AGREEMENT = "agreement"
    SANDBOX_BASE = "sandbox-base"
    """The engine's id of a base image that the sandbox pulled or made."""


def remember(kind: Kind, content: bytes) -> None:
    """Remember that this machine made the record of these bytes."""
    digest = sha256_hex(content)
    _of_this_run.add((kind, digest))
    folder = _folder(kind)
    with suppress(UsageError, OSError):
        make_private(folder)
        write_atomically(folder / digest, b"", mode=0o600)
        (folder / digest).touch()
        _forget_the_oldest(folder)


def is_own(kind: Kind, content: bytes) -> bool:
    """Whether this machine made the record of these bytes."""
    digest = sha256_hex(content)
    return (kind, digest) in _of_this_run or (_folder(kind) / digest).is_file()


def _folder(kind: Kind) -> Path:
    return state_folder() / "records" / kind


def _forget_the_oldest(folder: Path) -> None:
    records = sorted(folder.iterdir(), key=lambda path: path.lstat().st_mtime_ns)
    for path in records[: max(0, len(records) - MOST)]:
        path.unlink(missing_ok=True)
