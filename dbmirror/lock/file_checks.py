"""What the files of both halves of a lock have in common: how they are read, and that they agree with each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from dbmirror.files import canonical_json
from dbmirror.lock.errors import LockError
from dbmirror.lock.fates import Fate, FateKind, count_fates
from dbmirror.mirror_folder.files import read_below

REMEDY: Final = "Restore it from version control, or make it again with 'dbmirror lock MIRROR'."
AGAIN: Final = "Make it again with 'dbmirror lock MIRROR'."
"""What to do about a file of another schema."""


def read_lock_file(folder: Path, name: str) -> bytes:
    """The content of one file of a lock. Raises LockError where there is none, NotPlain where a link is there."""
    try:
        return read_below(folder, name)
    except FileNotFoundError:
        raise LockError(f"There is no {folder / name}.", remedy="Make the lock with 'dbmirror lock MIRROR'.") from None
    except OSError as error:
        raise LockError(f"{folder / name} cannot be read: {error.strerror or error}.", remedy=REMEDY) from error


def fate_table(schema: int, snapshot: str, fates: Iterable[Fate], rows: Sequence[object]) -> bytes:
    """`fates`, written as `rows`, with their counts, as canonical JSON."""
    counts = {kind.value: count for kind, count in count_fates(fates).items()}
    return canonical_json({"schema": schema, "snapshot": snapshot, "counts": counts, "fates": rows})


def check_together(
    packages: Iterable[tuple[str, str]], fates: Sequence[Fate], *, lock_file: str, fates_file: str
) -> None:
    """Raise LockError unless each package (name, version) has its fate, and each fate that mirrors one its package.

    A package that stands in for another one has the fate `substituted`, under the name that it shares with it.
    """
    mirrored = {fate.name: fate for fate in fates if fate.kind is FateKind.MIRRORED}
    substituted = {fate.name for fate in fates if fate.kind is FateKind.SUBSTITUTED}
    for name, version in packages:
        fate = mirrored.pop(name, None)
        if fate is None and name not in substituted:
            raise LockError(f"{fates_file} has no fate for {name}, which {lock_file} installs.", remedy=REMEDY)
        if fate is not None and fate.version != version:
            raise LockError(f"{fates_file}: {name} has another version than in {lock_file}.", remedy=REMEDY)
    if mirrored:
        text = f"{fates_file}: {min(mirrored)} is mirrored, and {lock_file} does not have it."
        raise LockError(text, remedy=REMEDY)


def check_same(found: Any, meant: Any, *, file: str, key: str = "") -> None:
    """Raise LockError at the first key where `found` is not what the lock read out of it is written as.

    What a file says twice (in its standard's fields for installers, and in dbmirror's own) must agree.
    """
    if isinstance(found, dict) and isinstance(meant, dict) and found.keys() == meant.keys():
        for name in meant:
            check_same(found[name], meant[name], file=file, key=f"{key}.{name}" if key else name)
    elif isinstance(found, list) and isinstance(meant, list) and len(found) == len(meant):
        for number, (one, other) in enumerate(zip(found, meant, strict=True)):
            check_same(one, other, file=file, key=f"{key}[{number}]")
    elif found != meant or type(found) is not type(meant):
        raise LockError(f"{file}: {key or 'the document'} does not agree with the rest of the lock.", remedy=REMEDY)
