"""Where the hostile cases are played: in memory where there is one, with a home of their own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for a project, and beside it something of the user's."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=memory if memory.is_dir() else None) as name:
        folder = Path(name)
        (folder / "outside").mkdir()
        (folder / "outside" / "kept").write_text("years of work")
        (folder / "home").mkdir()
        monkeypatch.setenv("DBMIRROR_HOME", str(folder / "home"))
        yield folder
