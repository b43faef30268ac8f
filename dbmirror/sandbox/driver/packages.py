"""The package list of the driver: reading it, and which headers its source distributions compile against."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from dbmirror.sandbox.errors import SandboxRefused

_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_COMPILER: Final = ("gcc", "libc6-dev", "python3-dev")
_HEADERS: Final[dict[str, tuple[str, ...]]] = {
    "dbus-python": ("libdbus-1-dev", "libdbus-glib-1-dev", "libglib2.0-dev", "patchelf"),
    "psycopg2": ("libpq-dev",),
    "pycairo": ("libcairo2-dev",),
    "pygobject": ("libcairo2-dev", "libgirepository1.0-dev"),
    "pyodbc": ("unixodbc-dev",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageList:
    """The pins that the driver's runtime environment gets."""

    pins: tuple[str, ...]
    """`name==version`, spelled as in the file."""
    headers: tuple[str, ...]
    """Debian packages to compile source distributions with, sorted."""

    @property
    def text(self) -> str:
        """One pin a line."""
        return "".join(f"{pin}\n" for pin in self.pins)


def read_packages(path: Path | None) -> PackageList:
    """The list in `path`, else the project's own; comments start with `#`.

    Raises SandboxRefused where the file cannot be read, or a line is not `name==version`, with the line's number.
    """
    try:
        text = path.read_text() if path else (resources.files(__package__) / "packages.txt").read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "it is not text"
        raise SandboxRefused(f"The package list {path} cannot be read: {reason}.") from error
    pins: list[str] = []
    names: set[str] = set()
    for number, line in enumerate(text.splitlines(), start=1):
        pin = line.partition("#")[0].strip()
        if not pin:
            continue
        name = _checked(pin, where=f"{path or 'packages.txt'}, line {number}")
        if name in names:
            raise SandboxRefused(f"{path}, line {number}: {name} stands in the list twice.")
        names.add(name)
        pins.append(pin)
    headers = {header for name in names for header in _HEADERS.get(name, ())}
    if path is not None:
        headers |= {"g++", "make", "pkg-config"}  # an unknown list may compile anything
    return PackageList(pins=tuple(pins), headers=tuple(sorted({*_COMPILER, *headers})))


def _checked(pin: str, *, where: str) -> str:
    name, separator, version = pin.partition("==")
    try:
        Version(version)
    except InvalidVersion:
        separator = ""
    if not separator or not _NAME.fullmatch(name):
        raise SandboxRefused(
            f"{where}: {pin[:80]!r} is not of the form name==version.",
            remedy="Give one exact pin a line, as 'pip freeze' prints them.",
        )
    return canonicalize_name(name)
