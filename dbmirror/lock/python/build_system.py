"""What a source archive says that its build needs, read without running any of it (PEP 517, PEP 518)."""

from __future__ import annotations

import configparser
import re
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from dbmirror.foreign_text.archive_faults import ARCHIVE_FAULTS
from dbmirror.foreign_text.pep508 import ONE_PARSER
from dbmirror.http_client.refused import Refused
from dbmirror.lock.tar_members import opened_tar

LARGEST_FILE: Final = 1 << 20
"""Bytes of a pyproject.toml, setup.cfg or setup.py; real ones have a few thousand."""
_FILES: Final = ("pyproject.toml", "setup.cfg", "setup.py")
_LEGACY: Final = "setuptools>=40.8.0"
"""What PEP 518 and pip take where nothing is said."""
_SETUP_REQUIRES: Final = re.compile(r"\bsetup_requires['\"]?\s*[=:]\s*(?:[\[(]([^\])]{0,2000})[\])]|(\w{1,80})\b)")
_STRING: Final = re.compile(r"""(["'])([^"'\n]{1,200})\1""")


def build_requirements(archive: Path, *, filename: str, subdirectory: str | None = None) -> tuple[str, ...]:
    """The requirements (PEP 508) that the build of the project in `archive` has, sorted.

    `filename` tells its form. Builds with setuptools also get `wheel`, for which setuptools before 70.1 asks, and what
    `setup_requires` of setup.cfg or setup.py lists, as far as it stands there in plain text.
    Raises Refused where the archive or what it says cannot be read, or names an address.
    """
    try:
        with archive.open("rb") as stream:
            files = _read(stream, filename, PurePosixPath(subdirectory or "."))
    except ARCHIVE_FAULTS as error:
        raise Refused("is not an archive that can be read") from error
    try:
        requires = _pyproject(files["pyproject.toml"]) if "pyproject.toml" in files else [_LEGACY]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused("has a pyproject.toml that is not valid TOML") from error
    if any(_name(requirement) == "setuptools" for requirement in requires):
        requires = [
            *requires,
            "wheel",
            *_setup_cfg(files.get("setup.cfg", b"")),
            *_setup_py(files.get("setup.py", b"")),
        ]
    return tuple(sorted({_checked(requirement) for requirement in requires}))


def _read(stream: IO[bytes], filename: str, inside: PurePosixPath) -> dict[str, bytes]:
    """The files that say something, of the one folder in the archive, or of the archive where it has no such folder."""
    found: dict[tuple[int, str], bytes] = {}
    members = _zip_members(stream) if filename.endswith(".zip") else _tar_members(stream)
    for path, content in members:
        for depth in (1, 0):
            if len(path.parts) == depth + len(inside.parts) + 1 and path.parts[depth:-1] == inside.parts:
                found.setdefault((depth, path.name), content)
    depth = 1 if any(depth == 1 for depth, _ in found) else 0
    return {name: content for (level, name), content in found.items() if level == depth}


def _tar_members(stream: IO[bytes]) -> Iterator[tuple[PurePosixPath, bytes]]:
    with opened_tar(stream) as (archive, members):
        for member in members:
            path = PurePosixPath(member.name)
            if path.name in _FILES and member.isfile() and member.size <= LARGEST_FILE:
                content = archive.extractfile(member)
                yield path, content.read() if content is not None else b""


def _zip_members(stream: IO[bytes]) -> Iterator[tuple[PurePosixPath, bytes]]:
    with zipfile.ZipFile(stream) as archive:
        for entry in archive.infolist():
            path = PurePosixPath(entry.filename)
            if path.name in _FILES and not entry.is_dir() and entry.file_size <= LARGEST_FILE:
                with archive.open(entry) as content:
                    yield path, content.read(LARGEST_FILE)


def _pyproject(content: bytes) -> list[str]:
    system: Any = tomllib.loads(content.decode("utf-8")).get("build-system")
    if system is None:
        return [_LEGACY]
    requires = system.get("requires") if isinstance(system, dict) else None
    if not isinstance(requires, list) or not all(isinstance(line, str) for line in requires):
        raise Refused("has a pyproject.toml without a list of build requirements")
    return requires


def _setup_cfg(content: bytes) -> list[str]:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(content.decode("utf-8", "replace"))
    except configparser.Error:
        return []
    text = parser.get("options", "setup_requires", fallback="") or parser.get("metadata", "setup_requires", fallback="")
    return [line.strip() for line in re.split(r"[\n;]" if "\n" not in text else r"\n", text) if _plain(line.strip())]


def _setup_py(content: bytes) -> list[str]:
    """The strings of `setup_requires=[…]`, or of the list with the name that stands there. No code is read as code."""
    text = content.decode("utf-8", "replace")
    found = _SETUP_REQUIRES.search(text)
    if found is None:
        return []
    listed, name = found.groups()
    if name is not None:
        assigned = re.search(rf"^{name}\s*=\s*[\[(]([^\])]{{0,2000}})[\])]", text, re.MULTILINE)
        listed = assigned[1] if assigned else ""
    lines = (line.partition("#")[0] for line in listed.splitlines())
    return [word for line in lines for _, word in _STRING.findall(line) if _plain(word)]


def _plain(requirement: str) -> bool:
    try:
        return bool(requirement) and _parse(requirement).url is None
    except InvalidRequirement:
        return False


def _checked(requirement: str) -> str:
    try:
        parsed = _parse(requirement)
    except InvalidRequirement as error:
        raise Refused(f"has the malformed build requirement {requirement[:80]!r}") from error
    if parsed.url is not None:
        raise Refused(f"wants {parsed.name} for its build from an address of its own")
    return str(parsed)


def _name(requirement: str) -> str:
    try:
        return canonicalize_name(_parse(requirement).name)
    except InvalidRequirement:
        return ""


def _parse(requirement: str) -> Requirement:
    with ONE_PARSER:
        return Requirement(requirement)
