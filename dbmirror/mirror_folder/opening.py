"""How a file or folder below a mirror's folder is opened: from the folder above it, and never through a link.

A mirror's folder is cloned, so a stranger may have filled it. Every part of a path is opened from the folder above it
(openat with O_NOFOLLOW), so that what was looked at is what is read, written, removed or given away. What is neither a
plain file nor a folder is NotPlain: a link, a FIFO, a socket, a device.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NoReturn

from dbmirror.errors import UsageError
from dbmirror.foreign_text.characters import escaped

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class NotPlain(UsageError):
    """Below a mirror's folder lies something that dbmirror does not touch: a link, a special file, or too much."""


def parts_of(path: Path, name: str) -> list[str]:
    """The parts of `name`, which has slashes; `path` names it in the error. Raises NotPlain where it leads upwards."""
    parts = name.split("/")
    if any(part in {"", ".", ".."} or "\0" in part for part in parts):
        raise NotPlain(f"{shown(path)} is no path below a mirror's folder.")
    return parts


@contextlib.contextmanager
def opened_folder(folder: Path, parts: list[str], *, make: int | None = None) -> Iterator[int]:
    """The folder below `folder` that `parts` lead to, as an open descriptor; made with the mode `make`, if given."""
    if make is not None:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(parents=True, exist_ok=True)
    descriptor = open_folder(None, str(folder), folder)
    path = folder
    try:
        for part in parts:
            path /= part
            if make is not None:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, make, dir_fd=descriptor)
            below = open_folder(descriptor, part, path)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def open_folder(above: int | None, name: str, path: Path) -> int:
    """Open the folder `name` of the open folder `above` (None: `name` is a path of its own). Raises NotPlain, OSError.

    The caller closes it.
    """
    try:
        return os.open(name, _FOLDER, dir_fd=above)
    except FileNotFoundError:
        raise
    except OSError:
        # ENOTDIR and ELOOP say on one system what the other one says on another.
        if not stat.S_ISDIR(plain_facts(above, name, path).st_mode):
            raise NotPlain(
                f"{shown(path)} is a file where dbmirror keeps a folder.", remedy="Move it away, and try again."
            ) from None
        raise


def open_file(above: int, name: str, path: Path) -> int:
    """Open the plain file `name` of the open folder `above` to read it. Raises NotPlain, OSError.

    The caller closes it. It is looked at before, too: to open a device can do something by itself.
    """
    if stat.S_ISDIR(plain_facts(above, name, path).st_mode):
        raise NotPlain(f"{shown(path)} is a folder where dbmirror keeps a file.", remedy="Move it away, and try again.")
    try:
        descriptor = os.open(name, _READ, dir_fd=above)
    except FileNotFoundError:
        raise
    except OSError:
        plain_facts(above, name, path)
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        _refuse(path, os.stat(name, dir_fd=above, follow_symlinks=False).st_mode)
    return descriptor


def plain_facts(above: int | None, name: str, path: Path) -> os.stat_result:
    """What is there, which is a plain file or a folder. Raises NotPlain, OSError."""
    facts = os.stat(name, dir_fd=above, follow_symlinks=False)
    if not (stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode)):
        _refuse(path, facts.st_mode)
    return facts


def _refuse(path: Path, mode: int) -> NoReturn:
    kinds = {
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    raise NotPlain(
        f"{shown(path)} is {kinds.get(stat.S_IFMT(mode), 'no plain file')}, and dbmirror follows and opens none of "
        "those in a mirror's folder.",
        remedy=f"Remove it, then try again: rm {_quoted(path)}",
    )


def unreadable(path: Path, error: OSError) -> UsageError:
    """The error of a file or folder that the system does not let this user read."""
    return UsageError(f"{shown(path)} cannot be read: {error.strerror or error}.")


def shown(path: Path) -> str:
    """`path` for a message: a hostile name must not write to the terminal."""
    return escaped(str(path))


def _quoted(path: Path) -> str:
    if shown(path) == str(path):
        return shlex.quote(str(path))
    return f"what lies in {shown(path.parent)} under that name"
