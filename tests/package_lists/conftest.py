"""Lists of packages in a folder, read for Python 3.11 unless a test says otherwise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dbmirror.package_lists.model import PackageList
from dbmirror.package_lists.reading import read_list

Read = Callable[..., PackageList]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Writes the content to a file, and reads it; more files by their names."""

    def written(content: str | bytes, *, python: str | None = "3.11.11", **more: str) -> PackageList:
        for name, text in more.items():
            (tmp_path / f"{name}.txt").write_text(text)
        file = tmp_path / "requirements.txt"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_list(file, None, python=python)

    return written


def pins(found: PackageList) -> dict[str, str]:
    """Name and version of each exact distribution."""
    return {each.name: each.version for each in found.distributions}


def reasons(found: PackageList) -> dict[str | None, str]:
    """Why each of the others is not exact, by its name."""
    return {each.name: each.reason for each in found.problems}
