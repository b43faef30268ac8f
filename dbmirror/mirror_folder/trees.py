"""All that lies in a folder below a mirror's folder: listed, cleared, copied, given to another user."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dbmirror.errors import UsageError
from dbmirror.mirror_folder.files import remove_below
from dbmirror.mirror_folder.opening import (
    NotPlain,
    open_file,
    open_folder,
    opened_folder,
    parts_of,
    plain_facts,
    shown,
    unreadable,
)

MOST_ENTRIES: Final = 20_000
"""Files and folders that are listed, copied or removed at a time: a mirror has some 1,000 at most."""
MOST_BYTES: Final = 8 << 30
"""Bytes that are copied for a rehearsal: twice the largest archive; it may go to a file system in memory."""
DEEPEST: Final = 32
"""Folders within each other: each one is held open while what lies in it is looked at."""
MOST_NOTEBOOKS: Final = 200_000
"""Files and folders that are given to the lab's user: notebooks may have environments of some 50,000 files in them."""

HOLES_FROM: Final = 64 << 20
"""Bytes from which on a file with holes is not copied: it takes no room where it lies, and all of it in the copy. No
archive has holes, and nothing else of a mirror is as large."""

_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class _Entry:
    """One plain file or folder, by the open folder that it lies in."""

    above: int
    name: str
    place: str
    """Where it lies from the folder that was walked, with slashes."""
    facts: os.stat_result

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.facts.st_mode)


def files_below(folder: Path, place: str = "") -> tuple[str, ...]:
    """The names of all files in the folder `place` below `folder` and the folders in it, from `place`; sorted.

    None where there is no such folder. Raises NotPlain at the first link or special file, and past MOST_ENTRIES;
    UsageError where a folder cannot be read.
    """
    try:
        with _walked(folder, place, most=MOST_ENTRIES) as entries:
            return tuple(sorted(entry.place for entry in entries if not entry.is_folder))
    except OSError as error:
        raise unreadable(folder / place, error) from error


def remove_others_below(folder: Path, place: str, keep: Collection[str]) -> tuple[str, ...]:
    """Remove the files in the folder `place` below `folder` that `keep` does not name; their names, from `place`.

    Nothing is removed where anything in it is NotPlain.
    """
    gone = tuple(name for name in files_below(folder, place) if name not in keep)
    for name in gone:
        remove_below(folder, f"{place}/{name}")
    return gone


def copy_below(folder: Path, target: Path, places: Collection[str]) -> None:
    """Copy the files and folders `places` below `folder` into the folder `target`, which is made; those that are there.

    `target` is this user's alone. Raises NotPlain at a link or special file, and past MOST_ENTRIES or MOST_BYTES;
    UsageError where something cannot be copied.
    """
    left = MOST_BYTES
    try:
        target.mkdir(parents=True)
        with _walked(folder, "", most=MOST_ENTRIES, only=places) as entries:
            for entry in entries:
                if entry.is_folder:
                    (target / entry.place).mkdir()
                else:
                    left = _copy(entry, folder, target / entry.place, left)
    except OSError as error:
        raise UsageError(f"{shown(folder)} cannot be copied: {error.strerror or error}.") from error


def _copy(entry: _Entry, folder: Path, target: Path, left: int) -> int:
    """Copy a file of at most `left` bytes; the bytes that are left then."""
    descriptor = open_file(entry.above, entry.name, folder / entry.place)
    with os.fdopen(descriptor, "rb") as source, target.open("xb") as copy:
        facts = os.fstat(descriptor)
        if facts.st_size > HOLES_FROM and facts.st_blocks * 512 < facts.st_size // 2:
            raise NotPlain(
                f"{shown(folder / entry.place)} has {facts.st_size >> 20} MB, most of them holes: it is not copied.",
                remedy="Move it away, it is not the mirror's.",
            )
        fits = facts.st_size <= left
        while fits and (block := source.read(_BLOCK)):
            left -= len(block)
            fits = left >= 0
            copy.write(block)
    if not fits:
        raise NotPlain(
            f"{shown(folder)} has more than {MOST_BYTES >> 30} GB in it, so it is not copied.",
            remedy="Run the command without --dry-run, or move away what is not the mirror's.",
        )
    return left


def give_below(folder: Path, place: str, user: int) -> None:
    """Give what is root's in the folder `place` below `folder` to `user`, the folder itself included.

    Links and special files stay as they are, and so does a file with a second name: that may lie anywhere.
    Raises NotPlain where `place` or a folder above it is a link, and past MOST_NOTEBOOKS; UsageError where something
    cannot be given.
    """
    try:
        with opened_folder(folder, parts_of(folder / place, place)) as descriptor:
            if os.fstat(descriptor).st_uid == 0:
                os.fchown(descriptor, user, user)
        with _walked(folder, place, most=MOST_NOTEBOOKS, skip=True) as entries:
            for entry in entries:
                if entry.facts.st_uid == 0:
                    with contextlib.suppress(FileNotFoundError, NotPlain):
                        _give(entry, folder / place / entry.place, user)
    except OSError as error:
        raise UsageError(
            f"{shown(folder / place)} cannot be given to user {user}: {error.strerror or error}."
        ) from error


def _give(entry: _Entry, path: Path, user: int) -> None:
    opened = open_folder if entry.is_folder else open_file
    descriptor = opened(entry.above, entry.name, path)
    try:
        facts = os.fstat(descriptor)
        if facts.st_uid == 0 and (stat.S_ISDIR(facts.st_mode) or facts.st_nlink == 1):
            os.fchown(descriptor, user, user)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _walked(
    folder: Path, place: str, *, most: int, skip: bool = False, only: Collection[str] | None = None
) -> Iterator[Iterator[_Entry]]:
    """All that lies in the folder `place` below `folder`, each folder before its content; nothing if it is missing.

    What is not plain is passed over where `skip`, else NotPlain. `only` are the names to look at in `place` itself.
    """
    with ExitStack() as opened:
        try:
            parts = parts_of(folder / place, place) if place else []
            descriptor = opened.enter_context(opened_folder(folder, parts))
        except FileNotFoundError:
            yield iter(())
        else:
            yield _Walk(folder / place, left=most, skip=skip).entries(descriptor, only=only)


class _Walk:
    """One walk of a tree, with what is left of its bound."""

    def __init__(self, root: Path, *, left: int, skip: bool) -> None:
        self.root = root
        self.left = left
        self.skip = skip

    def entries(
        self, descriptor: int, above: tuple[str, ...] = (), *, only: Collection[str] | None = None
    ) -> Iterator[_Entry]:
        """What lies in the open folder, which is the one that the names `above` lead to."""
        for name in sorted(os.listdir(descriptor)):
            if only is not None and name not in only:
                continue
            self._count(above)
            path = self.root.joinpath(*above, name)
            try:
                facts = plain_facts(descriptor, name, path)
                below = open_folder(descriptor, name, path) if stat.S_ISDIR(facts.st_mode) else None
            except FileNotFoundError:
                continue
            except NotPlain:
                if self.skip:
                    continue
                raise
            try:
                yield _Entry(descriptor, name, "/".join((*above, name)), facts)
                if below is not None:
                    yield from self.entries(below, (*above, name))
            finally:
                if below is not None:
                    os.close(below)

    def _count(self, above: tuple[str, ...]) -> None:
        self.left -= 1
        if self.left < 0 or len(above) >= DEEPEST:
            much = "files" if self.left < 0 else "folders within each other"
            raise NotPlain(
                f"{shown(self.root)} has too many {much} in it.",
                remedy="Move away what is not the mirror's, and try again.",
            )
