"""Archives that a package author made to break the reader: each is refused, and none ends in a traceback."""

from __future__ import annotations

import io
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbmirror.http_client.refused import Refused
from dbmirror.inventory.pasted import PasteUnreadable, read_pasted
from dbmirror.lock.model import CapturedWheel
from dbmirror.lock.python.build_system import build_requirements
from dbmirror.lock.r.package_archive import read_package_file
from dbmirror.verify.wheel_files import wheel_files
from tests.verify.conftest import lock, package

INSIDE = b'[build-system]\nrequires = ["hatchling"]\n'
LOCAL, CENTRAL = b"PK\x03\x04", b"PK\x01\x02"


def zipped(name: str, content: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", method) as archive:
        archive.writestr(name, content)
    return written.getvalue()


def with_field(archive: bytes, *, local: int, central: int, value: bytes) -> bytes:
    """`archive` with `value` at these places of its local header and of its central directory."""
    changed = bytearray(archive)
    changed[local : local + len(value)] = value
    start = archive.index(CENTRAL) + central
    changed[start : start + len(value)] = value
    return bytes(changed)


def garbled(name: str, content: bytes, method: int) -> bytes:
    """An archive whose compressed bytes are none."""
    archive = bytearray(zipped(name, content, method))
    start = 30 + len(name)
    size = struct.unpack_from("<L", archive, archive.index(CENTRAL) + 20)[0]
    archive[start + 9 : start + size] = b"\xff" * (size - 9)
    return bytes(archive)


ZIPS: dict[str, Callable[[str], bytes]] = {
    "encrypted": lambda name: with_field(zipped(name, INSIDE), local=6, central=8, value=b"\x01\x00"),
    "a way of compression that nobody knows": lambda name: with_field(
        zipped(name, INSIDE), local=8, central=10, value=b"\x63\x00"
    ),
    "deflate64": lambda name: with_field(zipped(name, INSIDE), local=8, central=10, value=b"\x09\x00"),
    "broken deflate": lambda name: garbled(name, INSIDE, zipfile.ZIP_DEFLATED),
    "broken bzip2": lambda name: garbled(name, INSIDE, zipfile.ZIP_BZIP2),
    "broken lzma": lambda name: garbled(name, INSIDE, zipfile.ZIP_LZMA),
    "another checksum": lambda name: with_field(zipped(name, INSIDE), local=14, central=16, value=b"\x00" * 4),
    "a name that is no UTF-8": lambda name: with_field(
        zipped(name, INSIDE), local=6, central=8, value=b"\x00\x08"
    ).replace(name[:2].encode(), b"\xff\xfe"),
    "half": lambda name: zipped(name, INSIDE)[:-10],
    "no header where it is said": lambda name: zipped(name, INSIDE).replace(LOCAL, b"XXXX"),
}


@pytest.mark.parametrize("kind", ZIPS)
def test_a_broken_zip_is_no_source(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "acme-1.0.zip"
    path.write_bytes(ZIPS[kind]("acme-1.0/pyproject.toml"))
    with suppress(Refused):
        build_requirements(path, filename=path.name)


@pytest.mark.parametrize("kind", ZIPS)
def test_a_broken_wheel_brings_no_files(kind: str) -> None:
    source = CapturedWheel(path="wheels/acme-1.0-py3-none-any.whl", sha256="0" * 64)
    locked = lock(package("acme", "1.0", source=source))
    found = wheel_files(locked, lambda _: io.BytesIO(ZIPS[kind]("acme-1.0.dist-info/RECORD")))
    assert not found.hashes


@pytest.mark.parametrize("kind", ZIPS)
def test_a_broken_notebook_archive_is_no_paste(kind: str) -> None:
    with pytest.raises(PasteUnreadable):
        read_pasted(ZIPS[kind]("cell.python"), name="cell.dbc")


def tarred(name: str, *, pax: dict[str, str], kind: bytes = tarfile.REGTYPE) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tarfile.PAX_FORMAT) as archive:
        entry = tarfile.TarInfo(name)
        entry.size, entry.pax_headers, entry.type = len(INSIDE), pax, kind
        archive.addfile(entry, io.BytesIO(INSIDE))
    return written.getvalue()


PAX = [
    {"GNU.sparse.map": "a,b"},
    {"GNU.sparse.map": "1"},
    {"GNU.sparse.size": "x", "GNU.sparse.numblocks": "1"},
    {"GNU.sparse.size": "10", "GNU.sparse.map": "0,-5"},
    {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"},
    {"size": "-1"},
    {"size": "99999999999999999999999"},
    {"mtime": "nan"},
    {"path": "\udcff"},
    {"hdrcharset": "BINARY", "path": "x"},
]


@pytest.mark.parametrize("pax", PAX, ids=str)
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.GNUTYPE_SPARSE])
def test_a_broken_tar_is_no_source(tmp_path: Path, pax: dict[str, str], kind: bytes) -> None:
    path = tmp_path / "acme-1.0.tar"
    path.write_bytes(tarred("acme-1.0/pyproject.toml", pax=pax, kind=kind))
    with suppress(Refused):
        build_requirements(path, filename="acme-1.0.tar.gz")
    with suppress(Refused):
        read_package_file(tarred("acme/DESCRIPTION", pax=pax, kind=kind), name="acme", version="1.0")


@pytest.mark.parametrize("form", ["1.0", "0.1", "0.0", "GNU"])
def test_a_sparse_file_whose_map_has_no_end_is_refused_at_once(tmp_path: Path, form: str) -> None:
    name, path = "acme-1.0/pyproject.toml", tmp_path / "acme-1.0.tar.gz"
    map_without_end = b"900000000\n" + b"0\n" * (8 << 20)
    pax = {
        "1.0": {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "10"},
        "0.1": {"GNU.sparse.size": "10", "GNU.sparse.map": "0,1," * 1000 + "0,1"},
        "0.0": {"GNU.sparse.size": "10", "GNU.sparse.numblocks": "1", "GNU.sparse.offset": "0"},
        "GNU": {},
    }[form]
    kind = tarfile.GNUTYPE_SPARSE if form == "GNU" else tarfile.REGTYPE
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT, compresslevel=1) as archive:
        entry = tarfile.TarInfo(name)
        entry.size, entry.pax_headers, entry.type = len(map_without_end), pax, kind
        archive.addfile(entry, io.BytesIO(map_without_end))
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match="sparse"):
            build_requirements(path, filename=path.name)
        with pytest.raises(Refused, match="sparse"):
            read_package_file(path.read_bytes(), name="acme", version="1.0")
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


SEEDS = [
    tarred("acme-1.0/pyproject.toml", pax={"GNU.sparse.map": "0,5"}),
    zipped("acme-1.0/pyproject.toml", INSIDE),
    zipped("acme-1.0/pyproject.toml", INSIDE, zipfile.ZIP_LZMA),
]


@given(
    seed=st.sampled_from(SEEDS),
    changes=st.lists(st.tuples(st.integers(0, 1 << 14), st.binary(min_size=1, max_size=4)), min_size=1, max_size=4),
)
@settings(max_examples=300, deadline=None)
def test_whatever_is_changed_in_an_archive(
    tmp_path_factory: pytest.TempPathFactory, seed: bytes, changes: list[tuple[int, bytes]]
) -> None:
    content = bytearray(seed)
    for place, value in changes:
        at = place % len(content)
        content[at : at + len(value)] = value
    path = tmp_path_factory.getbasetemp() / "acme-1.0.zip"
    path.write_bytes(content)
    for filename in ("acme-1.0.zip", "acme-1.0.tar.gz"):
        with suppress(Refused):
            build_requirements(path, filename=filename)
    with suppress(Refused):
        read_package_file(bytes(content), name="acme", version="1.0")
