"""The members of a package's tar archive, read once from front to back; what describes one is bounded, too."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Final, Self

from dbmirror.http_client.refused import Refused

LARGEST_ARCHIVE: Final = 4 << 30
"""Bytes of an unpacked archive: gzip makes a thousand bytes of one, and all of them are passed through."""
LARGEST_DESCRIPTION: Final = 1 << 20
"""Bytes of a header that goes on behind itself (a long name, fields of pax): paths have 4 kB at most."""
_SPARSE: Final = "has a sparse file, as no package has"
_DESCRIBING: Final = frozenset(
    {
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
    }
)


class _BoundedHeader(tarfile.TarInfo):
    """A header. tarfile reads the ones that go on behind themselves into memory, whatever size they state.

    A sparse file's map of what it has goes on as long as its author wants: no package has such a file.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        header = super().frombuf(buf, encoding, errors)
        if header.type in _DESCRIBING and not 0 <= header.size <= LARGEST_DESCRIPTION:
            raise Refused(f"has an archive with a header of more than {LARGEST_DESCRIPTION} bytes")
        if header.type == tarfile.GNUTYPE_SPARSE:
            raise Refused(_SPARSE)
        return header

    def _proc_gnusparse_00(self, *_: object) -> None:
        raise Refused(_SPARSE)

    _proc_gnusparse_01 = _proc_gnusparse_10 = _proc_gnusparse_00


@contextmanager
def opened_tar(stream: IO[bytes]) -> Iterator[tuple[tarfile.TarFile, Iterator[tarfile.TarInfo]]]:
    """The archive in `stream`, compressed or not, and its members in order; each can be read before the next one.

    Raises Refused where it unpacks to more than LARGEST_ARCHIVE, and what tarfile raises where it is damaged.
    """
    with tarfile.open(fileobj=stream, mode="r|*", tarinfo=_BoundedHeader) as archive:
        yield archive, _members(archive)


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for member in archive:
        if member.offset_data + member.size > LARGEST_ARCHIVE:
            raise Refused(f"unpacks to more than {LARGEST_ARCHIVE} bytes")
        yield member
