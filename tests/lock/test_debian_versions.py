"""The image's own Debian packages keep the versions that the archive had when the lock was made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dbmirror.lock.debian_versions import with_debian_versions
from dbmirror.lock.model import Lock
from dbmirror.lock.python.pylock import decode, encode_fates, encode_pylock
from tests.builders import a_base, a_lock

LOCK = a_lock(base=a_base(reference="debian:bookworm", os_id="debian", os_version="12"))


class Archive:
    """What apt knows, and what it was asked for."""

    def __init__(self, **versions: str) -> None:
        self.versions = versions
        self.asked: list[list[str]] = []

    def __call__(self, names: Sequence[str]) -> dict[str, str]:
        self.asked.append(sorted(names))
        return {name: self.versions[name] for name in names if name in self.versions}


def versions(lock: Lock) -> dict[str, str]:
    return {package.package: package.version for package in lock.debian}


def test_what_the_archive_knows_is_locked_and_read_back() -> None:
    lock = with_debian_versions(LOCK, ["sudo", "git", "unknown"], candidates=Archive(git="1:2.39", sudo="1.9"))

    assert versions(lock) == {"git": "1:2.39", "sudo": "1.9"}
    assert decode(encode_pylock(lock), encode_fates(lock)) == lock


def test_a_version_stays_until_the_lock_is_made_anew_or_has_another_base() -> None:
    first = with_debian_versions(LOCK, ["git"], candidates=Archive(git="1:2.39"))
    newer = Archive(git="1:2.45", sudo="1.9")

    assert versions(with_debian_versions(LOCK, ["git", "sudo"], candidates=newer, previous=first)) == {
        "git": "1:2.39",
        "sudo": "1.9",
    }
    assert newer.asked == [["sudo"]], "only what is new is asked for"
    other = replace(LOCK, base=a_base())
    assert versions(with_debian_versions(other, ["git"], candidates=newer, previous=first)) == {"git": "1:2.45"}
