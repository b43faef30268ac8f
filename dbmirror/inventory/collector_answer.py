"""What inventory/sent/collector.py sends, before anything in it is checked."""

from __future__ import annotations

import zlib

import msgspec

from dbmirror.foreign_text.decoding import decode_json
from dbmirror.inventory.errors import PayloadDamaged
from dbmirror.inventory.layers import Layer

WIRE = 1
LARGEST = 256 << 20
"""Bytes that a payload may unpack to."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One name in a package folder that speaks of a distribution."""

    name: str
    kind: str
    """`dist-info`, `egg-info`, `egg`, `egg-link`."""
    files: dict[str, str]
    """What was read, by file name (METADATA and PKG-INFO: the needed header lines)."""
    problems: dict[str, str]
    """Why a file could not be read, by file name."""
    record: tuple[int, int, int] | None
    """RECORD's lines, those with a hash, those of byte code without one."""
    owner: str | None
    """The Debian package that owns it."""


class Folder(msgspec.Struct, frozen=True, kw_only=True):
    """One package folder, in the order of the path; its entries in the order of the file system."""

    layer: Layer
    path: str
    via: str
    """The .pth or .egg-link file that adds it; empty for a folder of the environment itself."""
    entries: tuple[Entry, ...]


class RDescription(msgspec.Struct, frozen=True, kw_only=True):
    """One package in an R library."""

    name: str
    description: str | None
    problem: str | None
    owner: str | None


class RLibrary(msgspec.Struct, frozen=True, kw_only=True):
    """One R library, nearest first."""

    path: str
    packages: tuple[RDescription, ...]


class Jars(msgspec.Struct, frozen=True, kw_only=True):
    """The jars of a folder."""

    folder: str
    names: tuple[str, ...]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Contents of the files that state versions; empty where there is none."""

    architecture: str
    libc: str
    os_release: str
    runtime_version: str
    spark_version: str
    java_release: str
    scala: str


class Variables(msgspec.Struct, frozen=True, kw_only=True):
    """The environment's variables: names, and the values of the harmless ones."""

    names: tuple[str, ...]
    values: dict[str, str]


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """A file or folder that could not be read."""

    path: str
    reason: str
    layer: Layer | None


class Python(msgspec.Struct, frozen=True, kw_only=True):
    """An interpreter."""

    path: str
    version: str
    implementation: str


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one run of the collector sent."""

    wire: int
    python: Python
    interpreters: tuple[Python, ...]
    folders: tuple[Folder, ...]
    r_libraries: tuple[RLibrary, ...]
    dpkg_status: str
    jars: Jars
    facts: Facts
    variables: Variables
    errors: tuple[Unreadable, ...]


def decode(payload: bytes, *, host: str) -> Wire:
    """The wire shape in `payload` (zlib over JSON). Raises PayloadDamaged where it is something else."""
    unpacking = zlib.decompressobj()
    try:
        document = unpacking.decompress(payload, LARGEST)
        if not unpacking.eof:
            raise PayloadDamaged(f"The answer of {host} is larger than {LARGEST} bytes, or cut short.")
        wire = decode_json(document, Wire)
    except (zlib.error, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PayloadDamaged(f"The answer of {host} does not have the expected form: {error}.") from error
    if wire.wire != WIRE:
        raise PayloadDamaged(f"The answer of {host} has version {wire.wire}, not {WIRE}.")
    return wire
