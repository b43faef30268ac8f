"""The stand-in registry as a process of its own: started from wherever the user stands."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from dbmirror.sandbox.registry.detached import start_detached, stop_detached
from dbmirror.sandbox.registry.server import RegistryMissing


@pytest.mark.parametrize("module", ["dbmirror/__init__.py", "msgspec.py", "runpy.py", "json.py", "sitecustomize.py"])
def test_no_module_of_a_clone_runs_in_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    ran, clone = tmp_path / "ran", tmp_path / "clone"
    (clone / module).parent.mkdir(parents=True)
    (clone / module).write_text(f"open({str(ran)!r}, 'w')\nraise SystemExit(1)\n")
    monkeypatch.chdir(clone)
    with suppress(RegistryMissing):
        start_detached("dockerhub", folder=tmp_path / "state", lifetime=20.0)
    stop_detached(tmp_path / "state")
    assert not ran.exists()
