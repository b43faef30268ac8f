"""A build that does not end is stopped, with all that it started."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbmirror.engine import buildx
from dbmirror.engine.buildx import run_build
from dbmirror.engine.failures import BuildFailed
from dbmirror.engine.rawjson import BuildProgress
from dbmirror.progress import SILENT


def test_a_build_that_hangs_is_stopped_after_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a package's `setup.py` that sleeps: `build` and `bake` both go this way."""
    monkeypatch.setattr(buildx, "BUILD_SECONDS", 0.5)
    pid = tmp_path / "pid"
    with pytest.raises(BuildFailed, match="did not end within") as failed:
        run_build(["sh", "-c", f"echo $$ >{pid}; exec sleep 60"], BuildProgress(SILENT))
    assert "blacklist it" in failed.value.remedy
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()


def test_a_build_that_cannot_start_is_no_build_that_hangs() -> None:
    with pytest.raises(buildx.EngineError, match="no-such-docker"):
        run_build(["no-such-docker"], BuildProgress(SILENT))
