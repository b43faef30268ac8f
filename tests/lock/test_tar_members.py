"""Archives that take more memory or time than a package may."""

from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc
from pathlib import Path

import pytest

from dbmirror.http_client.refused import Refused
from dbmirror.lock import tar_members
from dbmirror.lock.python.build_system import build_requirements
from dbmirror.lock.r.package_archive import read_package_file

MEGABYTES = 64


def described_at_length(kind: bytes) -> bytes:
    """An archive whose first header says that what describes the next member has 64 MB; it has 64 kB on the disk."""
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = kind, MEGABYTES << 20
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as stream:
        stream.write(header.tobuf(tarfile.GNU_FORMAT))
        for _ in range(MEGABYTES):
            stream.write(bytes(1 << 20))
        stream.write(tarfile.TarInfo("a-1.0/setup.py").tobuf() + bytes(1024))
    return packed.getvalue()


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_what_describes_a_member_is_bounded(tmp_path: Path, kind: bytes) -> None:
    content = described_at_length(kind)
    source = tmp_path / "a-1.0.tar.gz"
    source.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match="header of more than"):
            build_requirements(source, filename=source.name)
        with pytest.raises(Refused, match="header of more than"):
            read_package_file(content, name="a", version="1.0")
        assert tracemalloc.get_traced_memory()[1] < MEGABYTES << 19
    finally:
        tracemalloc.stop()


def test_a_file_of_r_that_unpacks_without_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar_members, "LARGEST_ARCHIVE", 100_000)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("a/data/rows")
        entry.size = 200_000
        archive.addfile(entry, io.BytesIO(bytes(entry.size)))
    with pytest.raises(Refused, match="unpacks to more than 100000 bytes"):
        read_package_file(packed.getvalue(), name="a", version="1.0")
