"""Which user the lab's containers run as: nobody else's processes may read what theirs hold."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from dbmirror.errors import UsageError
from dbmirror.lab.paths import LabPaths
from dbmirror.mirror_folder.files import make_folder_below
from dbmirror.mirror_folder.trees import give_below

LAB_USER: Final = 1000
"""The uid that the containers run as where uids of this machine mean nothing in them."""
FIRST_UNUSED: Final = 2_100_000_000
"""Above the uids that systemd, LDAP and Active Directory give out (UIDS-GIDS of systemd, idmap ranges of SSSD)."""


class NoUserFree(UsageError):
    """Every uid that the lab could run as is somebody's."""


def lab_user(where: LabPaths, *, engine_maps_users: bool = False) -> int:
    """The uid that the containers run as: this user's; for root one that no account of this machine has.

    Their processes hold the driver's key and the workspace's token, and whoever has their uid can read them. What is
    root's in the notebooks folder, which is made if it is missing, is given to that user. Where `engine_maps_users`
    (rootless, userns-remap) uids are others in containers, and none of an account.
    """
    make_folder_below(where.folder, where.notebooks.name)
    if os.name != "posix":
        return LAB_USER
    if os.geteuid() != 0:
        return os.geteuid()
    user = LAB_USER if engine_maps_users else unused_user()
    give_below(where.folder, where.notebooks.name, user)
    return user


def unused_user() -> int:
    """A uid that no account of this machine has, nor any of its containers with uids of their own (/etc/subuid)."""
    ranges = [each for file in (Path("/etc/subuid"), Path("/etc/subgid")) for each in _ranges(file)]
    for user in range(FIRST_UNUSED, FIRST_UNUSED + 10_000):
        if not (any(user in each for each in ranges) or _is_account(user)):
            return user
    raise NoUserFree(f"No uid from {FIRST_UNUSED} on is unused on this machine, so the lab has none to run as.")


def _ranges(file: Path) -> list[range]:
    with suppress(OSError):
        found = re.findall(r"^[^:\n]*:(\d+):(\d+)\s*$", file.read_text(), re.MULTILINE)
        return [range(int(first), int(first) + int(count)) for first, count in found]
    return []


def _is_account(user: int) -> bool:
    import grp  # noqa: PLC0415 - not on Windows
    import pwd  # noqa: PLC0415

    for look_up in (pwd.getpwuid, grp.getgrgid):
        with suppress(KeyError):
            look_up(user)
            return True
    return False
