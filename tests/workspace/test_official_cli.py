"""Whether the Databricks CLI of this machine has `databricks ssh`."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbmirror.workspace.official_cli import has_databricks_ssh


@pytest.mark.parametrize(
    ("said", "has"),
    [
        ("Databricks CLI v0.269.0", True),
        ("Databricks CLI v1.0.0-beta", True),
        ("Databricks CLI v0.268.9", False),
        ("Version 0.18.0", False),
        ("", False),
        (None, False),
    ],
)
def test_its_release_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str | None, has: bool) -> None:
    if said is not None:
        (tmp_path / "databricks").write_text(f"#!/bin/sh\necho '{said}'\n")
        (tmp_path / "databricks").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin" if said is not None else str(tmp_path))
    assert has_databricks_ssh() is has


def test_one_of_the_folder_that_one_stands_in_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "databricks").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (tmp_path / "databricks").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f".:{tmp_path}/none")
    monkeypatch.setenv("HOME", str(tmp_path / "none"))
    assert not has_databricks_ssh()
    assert not (tmp_path / "ran").exists()
