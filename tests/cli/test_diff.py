"""`diff` and `check` compare what is mirrored: of several notebooks the one that dbmirror.toml names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from dbmirror.cli import main
from dbmirror.mirror_folder.names import SNAPSHOT
from dbmirror.snapshot import write_snapshot
from tests.builders import a_snapshot, an_inventory, an_r_package

NOTEBOOKS = ("/local_disk0/.ephemeral_nfs/envs/rEnv-1", "/local_disk0/.ephemeral_nfs/envs/rEnv-2")


def test_the_chosen_notebooks_version_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "home"))
    (tmp_path / "dbmirror.toml").write_text(f'[mirrors.two]\nnotebook_environment = "{NOTEBOOKS[1]}"\n')
    site = an_r_package("jsonlite", "1.8.0", "/usr/local/lib/R/site-library")
    copies = [an_r_package("jsonlite", f"1.9.{number}", library) for number, library in enumerate(NOTEBOOKS)]
    for name, packages in {"one": (site,), "two": (*copies, site)}.items():
        inventory = an_inventory(r_packages=packages)
        write_snapshot(a_snapshot(inventory=inventory), tmp_path / "mirrors" / name / SNAPSHOT)

    done = CliRunner().invoke(main, ["diff", "snapshot:one", "snapshot:two", "--json"])

    assert done.exit_code == 1
    changed = json.loads(done.stdout)["sections"]["r"]["changed"]
    assert changed == [{"name": "jsonlite", "a": "1.8.0", "b": "1.9.1"}]
