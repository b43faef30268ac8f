"""The files of one installed package, as a capturing program of inventory/sent gives them back from a host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from dbmirror.foreign_text.decoding import decode_json
from dbmirror.hosts.interface import Host
from dbmirror.inventory.errors import CaptureError, PayloadDamaged
from dbmirror.inventory.field_checks import printable
from dbmirror.inventory.sent_programs import run_program

_LARGEST = 1100 << 20
"""Bytes of an answer: the files of one package, of which a capturing program packs 1 GiB at most, and their list."""


@dataclass(frozen=True, slots=True)
class InstalledFile:
    """A file of an installed package."""

    content: bytes
    mode: int
    """Its permission bits."""


@dataclass(frozen=True, slots=True)
class CapturedFile:
    """A wheel or an R package in memory, made of installed files."""

    filename: str
    content: bytes


class Header(msgspec.Struct):
    """What stands before the contents in an answer."""

    error: str = ""
    folder: str = ""
    """The name of the .dist-info folder, of a Python distribution."""
    record: str = ""
    """The text of its RECORD."""
    files: list[tuple[str, int, int]] = []
    """Path, size in bytes and permission bits of each, in the order of their contents."""


def fetch_installed(
    host: Host, program: str, arguments: Sequence[str], *, what: str, interpreter: str | None, timeout: float
) -> tuple[Header, list[tuple[str, InstalledFile]]]:
    """The header and the files that `program` of inventory/sent finds with `arguments`; one exec, `timeout` in seconds.

    Their paths are the host's word. Raises CaptureError, which names `what`, where the program says why not;
    InventoryError and HostError where the host fails.
    """
    payload = run_program(host, program, arguments, interpreter=interpreter, timeout=timeout, limit=_LARGEST)
    line, _, content = payload.partition(b"\n")
    try:
        header = decode_json(line, Header)
    except msgspec.DecodeError as error:
        raise PayloadDamaged(f"The answer of {host.name} does not have the expected form: {error}.") from error
    if header.error:
        raise CaptureError(f"{what} cannot be captured: {printable(header.error)}.")
    files, position = [], 0
    for path, size, mode in header.files:
        files.append((path, InstalledFile(content[position : position + size], mode)))
        position += size
    return header, files
