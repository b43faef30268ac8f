"""What a file of packages is, by its content, and the snapshot that it makes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

from dbmirror.package_lists.as_snapshot import Listing, as_snapshot
from dbmirror.package_lists.cell import cell_listing, cell_output
from dbmirror.package_lists.conda import read_conda
from dbmirror.package_lists.environments import environments_of
from dbmirror.package_lists.list_text import read_text
from dbmirror.package_lists.model import ListUnreadable, PackageList
from dbmirror.package_lists.pip_list import read_pip_list
from dbmirror.package_lists.renv import read_renv
from dbmirror.package_lists.requirements import read_requirements
from dbmirror.runtimes.named import NamedRuntime
from dbmirror.snapshot import read_snapshot

_CONDA: Final = re.compile(r"^dependencies:", re.MULTILINE)
_SNAPSHOT: Final = re.compile(rb'"(digest|inventory|schema)"\s*:')
_SNIFFED: Final = 4096


def read_listing(
    file: Path, runtime: NamedRuntime | None, *, mirror: str, at: str, python: str | None = None
) -> Listing:
    """The snapshot that `file` makes, on `runtime` where one is named; a mirror's snapshot as it is.

    `python` is the Python that markers are read for where no runtime says it. Raises ListUnreadable, SnapshotError.
    """
    if _is_snapshot(file):
        if runtime is not None:
            raise ListUnreadable(
                f"{file} is a snapshot: it says itself which runtime it is of.", remedy="Leave out --runtime."
            )
        return Listing(snapshot=read_snapshot(file))
    if (shown := cell_output(file)) is not None:
        if runtime is not None:
            raise ListUnreadable(
                f"{file} is the output of a cell: it says itself which runtime it is of.", remedy="Leave out --runtime."
            )
        return cell_listing(shown, mirror=mirror, source=f"a notebook ({file.name})", at=at)
    return as_snapshot(
        read_list(file, runtime, python=python), runtime, mirror=mirror, source=f"the file {file.name}", at=at
    )


def read_list(file: Path, runtime: NamedRuntime | None, *, python: str | None = None) -> PackageList:
    """The packages that `file` lists. Raises ListUnreadable."""
    text = read_text(file)
    python = runtime.facts.python_full if runtime else python
    architecture = runtime.architecture if runtime else None
    begins = text.lstrip()[:1]
    if begins == "[":
        return read_pip_list(text, file)
    if begins == "{":
        return read_conda(text, file, python, architecture) if _has_dependencies(text) else read_renv(text, file)
    if _CONDA.search(text):
        return read_conda(text, file, python, architecture)
    return read_requirements(text, file, environments_of(python, architecture))


def _is_snapshot(file: Path) -> bool:
    """Whether the file begins as a snapshot does, which may be larger than a list that people write."""
    try:
        with file.open("rb") as stream:
            begins = stream.read(_SNIFFED)
    except OSError:
        return False
    return begins.lstrip().startswith(b"{") and _SNAPSHOT.search(begins) is not None and b'"Packages"' not in begins


def _has_dependencies(text: str) -> bool:
    """Whether the JSON is conda's: `conda env export --json`."""
    try:
        return "dependencies" in json.loads(text)
    except (ValueError, RecursionError, TypeError):
        return False
