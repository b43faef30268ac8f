"""Marks what a run of dbmirror makes outside of its home, and says of a mark whether its run is over."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from dbmirror.folders import make_private, state_folder

HOME_FILE: Final = "home"
_MARK: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{12}")
_UNKEPT: Final = "0" * 8
"""The home of a mark that no later run may judge: the state folder could not be written."""

_held: dict[Path, tuple[str, int]] = {}
"""For each home of this process its mark, and the descriptor that holds the run's lock until the process ends."""


def mark() -> str:
    """`HOME-RUN`: on each folder and container that this process makes and means to remove.

    The kernel frees the run's lock when the process ends, whatever ended it. A process id would not do: another
    process gets it, and it means nothing in another container that shares the folder.
    """
    folder = runs_folder()
    if folder not in _held:
        try:
            _held[folder] = _begin(folder)
        except OSError:
            return f"{_UNKEPT}-{secrets.token_hex(6)}"
    return _held[folder][0]


def is_over(other: str) -> bool:
    """Whether `other` is the mark of a run of this home that has ended. False for what is no such mark."""
    folder = runs_folder()
    if _MARK.fullmatch(other) is None:
        return False
    home, _, run = other.partition("-")
    if home != _read_home(folder) or (folder in _held and _held[folder][0] == other):
        return False
    try:
        descriptor = os.open(folder / run, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def forget_ended_runs() -> None:
    """Remove the lock files of runs that are over, once what they left is cleared."""
    folder = runs_folder()
    home = _read_home(folder)
    for path in folder.glob("[0-9a-f]*"):
        if is_over(f"{home}-{path.name}"):
            with suppress(OSError):
                path.unlink()


def runs_folder() -> Path:
    """Where the runs of this home hold their locks."""
    return state_folder() / "runs"


def _begin(folder: Path) -> tuple[str, int]:
    make_private(folder)
    run = secrets.token_hex(6)
    # Another run must see neither a home without a name nor a run without its lock: both are whole when they appear.
    new = folder / f".{run}"
    new.write_text(secrets.token_hex(4))
    with suppress(FileExistsError):
        os.link(new, folder / HOME_FILE)
    new.unlink()
    descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    new.rename(folder / run)
    return f"{_read_home(folder) or _UNKEPT}-{run}", descriptor


def _read_home(folder: Path) -> str:
    """The home's name, which is random: the engine may be shared by machines whose homes have the same path."""
    try:
        return (folder / HOME_FILE).read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
