"""uv resolves what a build requires, and runs nothing that lies around."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dbmirror.lock.model import Target
from dbmirror.lock.python.index import Index
from dbmirror.lock.python.resolve import resolve
from tests.lock.python.test_build_needs import wheel

TARGET = Target(python="3.11.11", architecture="x86_64", glibc="2.35")


@pytest.mark.parametrize("planted", [".venv", "venv in a variable"])
def test_no_python_of_a_neighbours_folder_above_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Any, index_of: Callable[..., Index], planted: str
) -> None:
    """As `/tmp/.venv` of another account, above the temporary folder: uv looks for an environment upwards."""
    ran = tmp_path / "ran"
    environment = tmp_path / ".venv"
    (environment / "bin").mkdir(parents=True)
    (environment / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).parent}\n")
    for name in ("python", "python3"):
        program = environment / "bin" / name
        program.write_text(f'#!/bin/sh\ntouch {ran}\nexec {sys.executable} "$@"\n')
        program.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "home"))
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX", "UV_PYTHON"):
        monkeypatch.delenv(name, raising=False)
    if planted != ".venv":
        environment.rename(tmp_path / "elsewhere")
        monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "elsewhere"))
    server.add("helper", "helper-1.1-py3-none-any.whl", wheel("helper", "1.1"))
    settings = index_of(server.url).settings
    assert resolve(["helper"], constraints=[], target=TARGET, settings=settings, ca_bundle=None) == (("helper", "1.1"),)
    assert not ran.exists()
