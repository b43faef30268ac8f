"""Files that are written beside the one whose place they take: their names, and those that killed runs left."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final

from dbmirror.processes import runs

MOST_LOOKED_AT: Final = 20_000
"""Names in a mirror's folder that are looked at: a mirror has some 1,000."""
_NAME: Final = re.compile(r"\..{1,100}\.dbmirror-(?P<mark>[0-9a-f]{8}-[0-9a-f]{12})-[0-9a-f]{8}", re.DOTALL)


def staged_name(name: str) -> str:
    """A new name beside `name`, with the mark of this run: the kernel tells a later run whether this one is over."""
    return f".{name[:100]}.dbmirror-{runs.mark()}-{secrets.token_hex(4)}"


def remedy_of(error: OSError) -> str:
    """What helps where a file could not be written for `error`."""
    unchanged = "what was there before is unchanged."
    if error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
        return (
            "Give your user the right to write there, or keep the mirrors elsewhere ('folder' in dbmirror.toml); "
            f"{unchanged}"
        )
    return f"Free some space or choose another folder; {unchanged}"


def clear_staged(folder: int) -> None:
    """Remove what ended runs of this home left in the open folder `folder`; what cannot be removed stays."""
    with suppress(OSError):
        for name in _left(os.listdir(folder)):
            with suppress(OSError):
                if stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                    os.unlink(name, dir_fd=folder)


def left_staged(folder: Path) -> tuple[Path, ...]:
    """What ended runs of this home left in `folder` and the folders in it, sorted; links are not followed."""
    found: list[Path] = []
    looked_at = 0
    for place, folders, names in os.walk(folder):
        looked_at += len(folders) + len(names)
        found += [Path(place, name) for name in _left(names)]
        if looked_at > MOST_LOOKED_AT:
            break
    return tuple(sorted(found))


def _left(names: Iterable[str]) -> Iterator[str]:
    for name in islice(names, MOST_LOOKED_AT):
        match = _NAME.fullmatch(name)
        if match is not None and runs.is_over(match["mark"]):
            yield name
