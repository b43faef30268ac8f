"""`dbmirror ci`: a pipeline in the repository of the mirror, and never over somebody else's file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from dbmirror.cli import main


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "dbmirror.toml").write_text(
        '[mirrors.team]\n[registries.acr]\nkind = "acr"\nhost = "team.azurecr.io"\n'
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["ci", *arguments])


@pytest.mark.parametrize("kind", ["github", "azure-pipelines", "gitlab"])
def test_a_pipeline_is_written_once_and_names_what_it_needs(repository: Path, kind: str) -> None:
    result = run(kind, "team", "--push", "acr", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    path = Path(document["file"])
    assert path.is_relative_to(repository)
    assert "dbmirror check team" in path.read_text()
    assert "--push acr" in path.read_text()
    assert yaml.safe_load(path.read_text())
    assert document["secrets"]
    before = path.stat().st_mtime_ns
    assert run(kind, "team", "--push", "acr").exit_code == 0
    assert path.stat().st_mtime_ns == before


def test_a_dry_run_writes_nothing(repository: Path) -> None:
    before = sorted(repository.rglob("*"))
    assert run("github", "team", "--dry-run").exit_code == 0
    assert sorted(repository.rglob("*")) == before


def test_a_file_of_somebody_else_is_left_alone_without_force(repository: Path) -> None:
    run("github", "team")
    path = next((repository / ".github" / "workflows").iterdir())
    path.write_text("name: mine\n")
    refused = run("github", "team")
    assert refused.exit_code == 2
    assert "was not written by dbmirror" in refused.output
    assert path.read_text() == "name: mine\n"
    assert run("github", "team", "--force").exit_code == 0
    assert path.read_text() != "name: mine\n"


def test_outside_a_git_repository_there_is_no_pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("github", "team")
    assert result.exit_code == 2
    assert "is in no git repository" in result.output
