"""A lab's secrets: JupyterLab's token, and the one for the workspace."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from dbmirror.files import write_atomically
from dbmirror.lab.paths import LabPaths, make_private


def ensure_token(where: LabPaths, *, user: int) -> str:
    """JupyterLab's token: the one that is there, else a new random one, in a file for `user` alone."""
    make_private(where)
    with suppress(OSError):
        if known := where.token.read_text().strip():
            _give(where.token, user)
            return known
    token = secrets.token_urlsafe(32)
    write_atomically(where.token, f"{token}\n".encode(), mode=0o600)
    _give(where.token, user)
    return token


def write_workspace_token(where: LabPaths, token: str | None, *, user: int) -> bool:
    """Keep the workspace's token for the lab's `user` alone, or none; whether it is another than before."""
    make_private(where)
    where.workspace.mkdir(exist_ok=True)
    where.workspace.chmod(0o755)
    changed = write_atomically(where.workspace_token, f"{token}\n".encode() if token else b"", mode=0o600)
    _give(where.workspace_token, user)
    return changed


def read_workspace_token(where: LabPaths) -> str | None:
    """The workspace's token that the lab has; None where it has none."""
    with suppress(OSError):
        return where.workspace_token.read_text().strip() or None
    return None


def forget_workspace_token(where: LabPaths) -> None:
    """Leave nothing of the workspace's token; its empty file stays, with its owner, for a plain `docker compose up`."""
    with suppress(FileNotFoundError):
        os.truncate(where.workspace_token, 0)


def _give(path: Path, user: int) -> None:
    """Make `user` the owner, where that is not this user: compose mounts the file as it is."""
    if os.name == "posix" and os.geteuid() == 0 and path.stat().st_uid != user:
        os.chown(path, user, user)
