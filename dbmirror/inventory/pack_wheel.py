"""Pack the files of an installed distribution into a wheel: equal files give equal bytes."""

from __future__ import annotations

import base64
import configparser
import csv
import hashlib
import io
import posixpath
import re
import zipfile
from collections.abc import Mapping

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from dbmirror.inventory.errors import CaptureError
from dbmirror.inventory.field_checks import printable
from dbmirror.inventory.installed_files import CapturedFile, InstalledFile
from dbmirror.inventory.parsers.malformed import Malformed
from dbmirror.inventory.parsers.wheel import Wheel, parse_wheel

_LEFT_OUT = frozenset(
    {
        "INSTALLER",
        "REQUESTED",
        "direct_url.json",
        "RECORD",
        "RECORD.jws",
        "RECORD.p7s",
        "uv_cache.json",
        "uv_build.json",
    }
)
"""Files of a .dist-info that the installation made, not the wheel."""
_PACKAGES = re.compile(r"lib(64)?/python[0-9.]*/(site|dist)-packages/(?P<inside>.+)")
_TRAMPOLINE = re.compile(rb"#!/bin/sh\n'''exec' [^\n]*\n' '''\n")
_EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip file can state."""


def pack_wheel(*, folder: str, location: str, files: Mapping[str, InstalledFile]) -> CapturedFile:
    """A wheel that installs `files` (by absolute path) of the distribution whose .dist-info is `folder` in `location`.

    Raises CaptureError where the files cannot be a wheel.
    """
    stem = folder.removesuffix(".dist-info")
    information = f"{location}/{folder}/"
    root = environment_root(location)
    wheel = _wheel(files.get(f"{information}WHEEL"))
    generated = _entry_points(files.get(f"{information}entry_points.txt"))
    members: dict[str, InstalledFile] = {}
    for path, file in files.items():
        inside = path.removeprefix(f"{location}/")
        if path.startswith(information) and path.removeprefix(information) in _LEFT_OUT:
            continue
        if "__pycache__" in inside.split("/"):
            continue
        if inside != path:
            members[inside] = file
            continue
        below = path.removeprefix(f"{root}/")
        packages = _PACKAGES.fullmatch(below)
        if packages is not None:
            members[packages["inside"]] = file
        elif posixpath.dirname(below) == "bin":
            name = posixpath.basename(below)
            if name not in generated:
                members[f"{stem}.data/scripts/{name}"] = _portable(file, root)
        else:
            members[f"{stem}.data/data/{below}"] = file
    filename = wheel_filename(stem, wheel)
    return CapturedFile(filename=filename, content=_zip(members, folder))


def environment_root(location: str) -> str:
    """The folder above `lib/python3.X/site-packages`; `location` itself where it is no such folder."""
    above, name = posixpath.split(location)
    if name in {"site-packages", "dist-packages"} and posixpath.basename(above).startswith("python"):
        return posixpath.dirname(posixpath.dirname(above))
    return location


def wheel_filename(stem: str, wheel: Wheel) -> str:
    """The file name of a wheel of `stem` (`name-version`) with the tags of `wheel`, in their compressed form.

    Raises CaptureError where the tags are not all combinations of their parts, or the name is not a valid one.
    """
    tags = [tag.split("-") for tag in wheel.tags]
    pythons, abis, platforms = (list(dict.fromkeys(tag[part] for tag in tags)) for part in range(3))
    if len(pythons) * len(abis) * len(platforms) != len(tags):
        raise CaptureError(f"{printable(stem)} cannot be captured: its WHEEL has tags that no file name can state.")
    parts = [stem, *([wheel.build] if wheel.build else []), *(".".join(sorted(p)) for p in (pythons, abis, platforms))]
    filename = "-".join(parts) + ".whl"
    try:
        parse_wheel_filename(filename)
    except InvalidWheelFilename as error:
        raise CaptureError(f"{printable(stem)} cannot be captured: {printable(str(error))}.") from error
    return filename


def _wheel(file: InstalledFile | None) -> Wheel:
    wheel = parse_wheel(file.content.decode("utf-8", "replace")) if file is not None else Malformed("it has no WHEEL")
    if isinstance(wheel, Malformed) or not wheel.tags:
        reason = wheel.reason if isinstance(wheel, Malformed) else "its WHEEL has no tag"
        raise CaptureError(f"The distribution cannot be captured: {reason}.")
    return wheel


def _entry_points(file: InstalledFile | None) -> frozenset[str]:
    """The names of the scripts that an installer makes by itself."""
    parser = configparser.RawConfigParser(delimiters=("=",), strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(file.content.decode("utf-8") if file is not None else "")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise CaptureError("The distribution cannot be captured: its entry_points.txt cannot be read.") from error
    sections = [section for section in ("console_scripts", "gui_scripts") if parser.has_section(section)]
    return frozenset(name for section in sections for name in parser.options(section))


def _portable(script: InstalledFile, root: str) -> InstalledFile:
    """`script` with `#!python`, which an installer fills in, in place of this environment's interpreter."""
    line, _, rest = script.content.partition(b"\n")
    if line.startswith(b"#!" + root.encode("utf-8") + b"/bin/python"):
        return InstalledFile(b"#!python\n" + rest, script.mode)
    trampoline = _TRAMPOLINE.match(script.content)
    if trampoline is not None:
        return InstalledFile(b"#!python\n" + script.content[trampoline.end() :], script.mode)
    return script


def _zip(members: Mapping[str, InstalledFile], folder: str) -> bytes:
    """The archive: stored, not compressed, for the bytes of a compression depend on the library that does it."""
    rows: list[tuple[str, str, str]] = []
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members, key=lambda name: (name.startswith(f"{folder}/"), name)):
            file = members[name]
            _write(archive, name, file.content, 0o755 if file.mode & 0o111 else 0o644)
            digest = base64.urlsafe_b64encode(hashlib.sha256(file.content).digest()).rstrip(b"=").decode("ascii")
            rows.append((name, f"sha256={digest}", str(len(file.content))))
        record = io.StringIO(newline="")
        csv.writer(record, lineterminator="\n").writerows([*rows, (f"{folder}/RECORD", "", "")])
        _write(archive, f"{folder}/RECORD", record.getvalue().encode("utf-8"), 0o644)
    return buffer.getvalue()


def _write(archive: zipfile.ZipFile, name: str, content: bytes, mode: int) -> None:
    information = zipfile.ZipInfo(name, _EARLIEST)
    information.create_system = 3  # Unix, whatever system this runs on: else the mode would not count
    information.external_attr = (0o100000 | mode) << 16
    archive.writestr(information, content)
