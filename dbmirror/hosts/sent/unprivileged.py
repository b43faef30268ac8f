"""Gives up root's rights: a snapshot by SSH is taken as the user `ubuntu`, and another way must see the same."""

from __future__ import annotations

import os
import pwd

USER = "ubuntu"


def become_user() -> None:
    """In a child before it becomes the program: be `ubuntu` where that was root; whoever is not root stays as it is."""
    if os.geteuid() != 0:
        return
    try:
        user = pwd.getpwnam(USER)
    except KeyError:
        return
    os.initgroups(USER, user.pw_gid)
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
