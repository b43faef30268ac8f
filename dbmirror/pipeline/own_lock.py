"""Whose choice the packages of a lab are: a lock that this user made here, or one that the user agreed to.

What a lab's kernels import runs with the login of the profile and has a shell on the driver. A lock that came with the
repository names packages that a stranger may have chosen.
"""

from __future__ import annotations

from dbmirror.clones.agreements import Claim, is_agreed
from dbmirror.clones.own_records import Kind, is_own, remember
from dbmirror.lock.mirror_lock import MirrorLock
from dbmirror.mirror_folder.names import PYLOCK
from dbmirror.pipeline.foundations import TRUST_VARIABLE, require_named
from dbmirror.pipeline.mirror import Mirror


def remember_lock(mirror: Mirror, lock: MirrorLock, *, kept: MirrorLock | None) -> None:
    """Remember that this machine chose the packages of `lock`, where it did.

    It did not where the snapshot came with the repository, or the earlier lock `kept`, whose sources still hold: what
    is taken over from a stranger's lock is a stranger's choice.
    """
    ours = is_own(Kind.SNAPSHOT, lock.snapshot.encode()) and (kept is None or _is_users(mirror, kept))
    if ours and not mirror.dry_run:
        remember(Kind.LOCK, lock.digest.encode())


def require_own_lock(mirror: Mirror, lock: MirrorLock) -> None:
    """Raises NotAgreed unless this machine made `lock`, or the user takes it: its packages get the profile's login."""
    if not is_own(Kind.LOCK, lock.digest.encode()):
        require_named(mirror, lock.digest, _claim(mirror, lock))


def _is_users(mirror: Mirror, lock: MirrorLock) -> bool:
    return is_own(Kind.LOCK, lock.digest.encode()) or is_agreed(_claim(mirror, lock))


def _claim(mirror: Mirror, lock: MirrorLock) -> Claim:
    profile = mirror.access.profile
    return Claim(
        root=mirror.loaded.root,
        kind="lock",
        bound_to=f"{lock.digest} {profile}",
        text=f"{mirror.own_folder / PYLOCK} is not of packages that this machine read from a cluster. In the lab "
        f"they get the login of the profile {profile!r}, and a shell on the cluster's driver.",
        remedy=f"'dbmirror build {mirror.name} --refresh' chooses the packages anew, from your cluster. If you trust "
        f"those of the lock, add '--trust {lock.digest}' or set {TRUST_VARIABLE}={lock.digest}; on a terminal you are "
        "asked once.",
    )
