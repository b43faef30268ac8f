"""The image's own Debian packages, at the versions that the base's archive has when the lock is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from dbmirror.lock.model import AptPackage, Lock


def with_debian_versions(
    lock: Lock,
    names: Sequence[str],
    *,
    candidates: Callable[[Sequence[str]], Mapping[str, str]],
    previous: Lock | None = None,
) -> Lock:
    """`lock` with a version for each of the Debian packages `names` that the archive of its base knows.

    What `previous` says for the same base is taken over; only for other packages the archive is asked.
    """
    known: dict[str, str] = {}
    if previous is not None and previous.base == lock.base:
        known = {package.package: package.version for package in previous.debian}
    missing = [name for name in names if name not in known]
    found = known | (dict(candidates(missing)) if missing else {})
    return replace(
        lock, debian=tuple(AptPackage(package=name, version=found[name]) for name in sorted(names) if name in found)
    )
