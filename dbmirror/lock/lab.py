"""The lab's lock: which files the images of a lab are made from, beside those of the mirror's own image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from dbmirror.files import canonical_json
from dbmirror.foreign_text.decoding import decode_json
from dbmirror.lock.debs.lab import LabDebs
from dbmirror.lock.model import IndexFile, Target
from dbmirror.lock.python.index import Index
from dbmirror.lock.python.pinned import Pin, pinned_files, read_pins
from dbmirror.lock.python.target import wheel_tags
from dbmirror.mirror_folder.files import read_below, write_below
from dbmirror.mirror_folder.names import LAB_LOCK

STAGE: Final = "lock: the lab"
SCHEMA: Final = 1
GroupName = Annotated[str, Meta(pattern=r"\A[a-z]+\Z")]


class LabLock(Struct, frozen=True, kw_only=True):
    """The files of a lab's images, each by hash."""

    target: Target
    wheels: dict[GroupName, tuple[IndexFile, ...]]
    """The files of each group of requirements, in the order of its pins."""
    debs: LabDebs | None = None
    """None where they were never chosen: that takes the mirror's image."""
    schema: Literal[1] = SCHEMA

    def indexes(self) -> frozenset[str]:
        """The package indexes that list the files."""
        return frozenset(file.index for group in self.wheels.values() for file in group)

    def count(self) -> int:
        """How many files there are."""
        debs = self.debs.files.values() if self.debs is not None else ()
        return sum(map(len, self.wheels.values())) + sum(map(len, debs))


def lock_lab(
    requirements: Mapping[str, str],
    *,
    target: Target,
    index: Index,
    previous: LabLock | None = None,
) -> LabLock:
    """The files that `requirements` (a group's name to its requirements file, all pinned by hash) mean on `target`.

    What `previous` says of an index that is still in use is taken over. Raises LockError where an index lacks a file,
    and IndexUnreachable where one gives no answer.
    """
    files = (file for group in previous.wheels.values() for file in group) if previous else ()
    known = {file.sha256: file for file in files if file.index in index.settings.urls and _fits(file, target)}
    wheels = {
        group: pinned_files(
            read_pins(text, target=target), index=index, target=target, known=known, purpose="in the lab"
        )
        for group, text in requirements.items()
    }
    return LabLock(target=target, wheels=wheels)


def still_holds(lock: LabLock, requirements: Mapping[str, str], *, target: Target) -> bool:
    """Whether `lock` has, of each group of `requirements`, a wheel for `target` of each pin, and no other.

    The hashes that the requirements name are dbmirror's own, so that a lock out of a repository can choose among those
    files, and no more.
    """
    return (
        lock.target == target
        and lock.wheels.keys() == requirements.keys()
        and all(_agree(read_pins(text, target=target), lock.wheels[group]) for group, text in requirements.items())
        and all(_fits(file, target) for group in lock.wheels.values() for file in group)
    )


def requirement_lines(files: tuple[IndexFile, ...]) -> str:
    """A requirements file that installs just these wheels."""
    found = ((parse_wheel_filename(file.filename), file.sha256) for file in files)
    return "".join(f"{name}=={version} --hash=sha256:{sha256}\n" for (name, version, _, _), sha256 in found)


def read_lab_lock(folder: Path) -> LabLock | None:
    """The lab's lock in the mirror's `folder`; None where there is none that this version can use.

    It can always be made again. Raises NotPlain where a link is there.
    """
    try:
        return decode_json(read_below(folder, LAB_LOCK), LabLock)
    except (OSError, msgspec.DecodeError):
        return None


def write_lab_lock(lock: LabLock, folder: Path) -> None:
    """Write the lab's lock into the mirror's `folder`. Raises UsageError."""
    write_below(folder, {LAB_LOCK: canonical_json(lock)})


def _agree(pins: tuple[Pin, ...], files: tuple[IndexFile, ...]) -> bool:
    return len(pins) == len(files) and all(
        file.sha256 in pin.hashes and _release(file) == (pin.name, Version(pin.version))
        for pin, file in zip(pins, files, strict=True)
    )


def _release(file: IndexFile) -> tuple[str, Version] | None:
    try:
        name, version, _, _ = parse_wheel_filename(file.filename)
    except (InvalidWheelFilename, InvalidVersion):
        return None
    return canonicalize_name(name), version


def _fits(file: IndexFile, target: Target) -> bool:
    return _release(file) is not None and not parse_wheel_filename(file.filename)[3].isdisjoint(wheel_tags(target))
