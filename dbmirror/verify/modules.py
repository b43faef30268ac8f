"""The top-level modules of an image's distributions, read from their lists of files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name

from dbmirror.inventory.model import Inventory
from dbmirror.inventory.parsers.malformed import Malformed
from dbmirror.inventory.parsers.record import parse_record
from dbmirror.inventory.unpacked import Unpacked

_SKIPPED: Final = (
    (re.compile(r"(^|\.)_"), "private module"),
    (re.compile(r"(^|\.)(tests?|testing|conftest|test_[a-z0-9_]*)$"), "tests"),
    (
        re.compile(r"(^|\.)(examples?|docs?|benchmarks?|scripts?|samples?|tools|bin|build|dist|setup)$"),
        "no module to use",
    ),
    (re.compile(r"(^|\.)(win32\w*|winreg\w*|pythoncom|pywin\w*|nt|msvcrt|darwin|cygwin)$"), "for another platform"),
)
_MODULE_FILE: Final = re.compile(r"\A([A-Za-z_][A-Za-z0-9_]*)(\.py|(\.(cpython|abi3|pypy)[^/]*)?\.so)\Z")
_IDENTIFIER: Final = re.compile(r"\A[A-Za-z_][A-Za-z0-9_]*\Z")
_DOTTED: Final = re.compile(r"\A[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*\Z")


def modules_of(unpacked: Unpacked, inventory: Inventory, names: Iterable[str]) -> dict[str, list[str]]:
    """For each distribution of `names` that the image has, its importable names nearest to the top, sorted."""
    effective, found = inventory.effective(), {}
    folders: dict[str, dict[str, Path]] = {}
    for name in names:
        if name not in effective:
            continue
        location = effective[name].location
        if location not in folders:
            folders[location] = dict(_metadata(unpacked.place(location)))
        place = folders[location].get(name)
        found[name] = [] if place is None else _top_modules(place)
    return found


def reason_to_skip(module: str) -> str | None:
    """Why `module` is not tried, if it is not."""
    return next((reason for pattern, reason in _SKIPPED if pattern.search(module)), None)


def top_of(paths: Iterable[str]) -> list[str]:
    """The modules nearest to the top among the files `paths`: of a namespace package (no __init__) those below it."""
    packages: set[tuple[str, ...]] = set()
    others: set[tuple[str, ...]] = set()
    for path in paths:
        *folders, name = path.split("/")
        match = _MODULE_FILE.match(name)
        if match is None or not all(_IDENTIFIER.match(part) for part in folders):
            continue
        if match[1] == "__init__":
            packages.add(tuple(folders))
        else:
            others.add((*folders, match[1]))
    found = {parts for parts in packages | others if parts and not _has_ancestor(parts, packages)}
    return sorted(".".join(parts) for parts in found)


def _has_ancestor(parts: tuple[str, ...], packages: set[tuple[str, ...]]) -> bool:
    """Whether a package above `parts` is one of `packages`: importing that one is enough."""
    return any(parts[:end] in packages for end in range(1, len(parts)))


def _metadata(folder: Path) -> Iterator[tuple[str, Path]]:
    """The name of each distribution in a package folder, with the folder that describes it."""
    if folder.is_dir():
        for place in sorted(folder.iterdir()):
            if place.name.endswith((".dist-info", ".egg-info")) and not place.is_symlink():
                yield canonicalize_name(_stated_name(place) or place.name.partition("-")[0]), place


def _stated_name(place: Path) -> str | None:
    for path in (place / "METADATA", place / "PKG-INFO", place):
        if path.is_file() and not path.is_symlink():
            head = path.read_text("utf-8", "replace").partition("\n\n")[0]
            return next((line[5:].strip() for line in head.splitlines() if line.lower().startswith("name:")), None)
    return None


def _top_modules(place: Path) -> list[str]:
    record, top_level = place / "RECORD", place / "top_level.txt"
    if record.is_file() and not record.is_symlink():
        rows = parse_record(record.read_text("utf-8", "replace"))
        return [] if isinstance(rows, Malformed) else top_of(row.path for row in rows)
    if top_level.is_file() and not top_level.is_symlink():
        lines = (line.strip().replace("/", ".") for line in top_level.read_text("utf-8", "replace").splitlines())
        return sorted({line for line in lines if _DOTTED.match(line)})
    return []
