"""A place that cannot be written, whichever stage came upon it: a full disk, a read-only folder, no permission."""

from __future__ import annotations

import errno
from typing import Final

from dbmirror.errors import UsageError
from dbmirror.foreign_text.redaction import foreign_line

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_CLOSED: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


class PlaceUnwritable(UsageError):
    """A file or folder of this machine cannot be written."""


def as_unwritable(error: OSError) -> PlaceUnwritable | None:
    """What `error` means, if it is one of this machine's disks and no defect; None where it may be a defect."""
    # Of a copy the second name is what was written.
    name = error.filename2 or error.filename
    place = foreign_line(str(name), 300) if name else ""
    why = error.strerror or "it failed"
    if error.errno in _FULL:
        return PlaceUnwritable(
            f"{place or 'A file'} cannot be written: {why}.",
            remedy="'df -h . /tmp /dev/shm' shows which of them is full; what is secret is kept in /dev/shm. Make room "
            "there and run the command again.",
        )
    if error.errno in _CLOSED and place:
        return PlaceUnwritable(
            f"{place} cannot be used: {why}.",
            remedy="Give your user the right to write there, or keep the mirrors elsewhere: 'folder' in dbmirror.toml.",
        )
    return None
