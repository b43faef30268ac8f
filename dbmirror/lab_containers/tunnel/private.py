"""Secrets for one user alone: copied from where Docker mounts them into memory, before root's rights are given up."""

from __future__ import annotations

import os
from pathlib import Path

from .settings import MOST_JUMPS, PRIVATE, SECRETS

KEYS = ("ssh-key", *(f"jump-{number}-key" for number in range(1, MOST_JUMPS + 1)))
NAMES = (*KEYS, "ca-bundle")


def take_over(user: int, group: int, *, secrets: Path = SECRETS, private: Path = PRIVATE) -> None:
    """Copy the secrets that are given with mode 0400, for `user` alone.

    Docker Compose mounts a file's secret with the owner and mode that the file has on the host, whatever compose.yaml
    says, and OpenSSH refuses a key that others can read. An empty file stands for a secret that is not given.
    """
    for name in NAMES:
        target = private / name
        target.unlink(missing_ok=True)
        try:
            content = (secrets / name).read_bytes()
        except OSError:
            continue
        if not content:
            continue
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content if name not in KEYS or content.endswith(b"\n") else content + b"\n")
        if os.geteuid() == 0:
            os.chown(target, user, group)


def become(user: int, group: int) -> None:
    """Give up root's rights for good."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
