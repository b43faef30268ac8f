"""`dbmirror ci`: a pipeline in the repository of the mirror, and never over somebody else's file."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from dbmirror.cli import main
from dbmirror.clones import allowed_settings
from dbmirror.folders import known_hosts_file
from dbmirror.hosts.host_key import HostKey
from dbmirror.hosts.known_hosts import KnownHosts
from dbmirror.snapshot import write_snapshot
from tests.builders import a_cluster, a_snapshot

SNAPSHOT = a_snapshot(cluster=a_cluster(cluster_id="1120-081500-team", cluster_name="team"))


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "dbmirror.toml").write_text(
        '[mirrors.team]\n[registries.acr]\nkind = "acr"\nhost = "team.azurecr.io"\n'
        '[ci]\ndbmirror = "dbmirror-0.1.0-py3-none-any.whl"\n'
    )
    (tmp_path / "dbmirror-0.1.0-py3-none-any.whl").write_bytes(b"a wheel")
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


@pytest.mark.parametrize("planted", ["a folder", "a link"])
def test_a_repository_of_a_neighbours_above_is_not_written_to(
    repository: Path, monkeypatch: pytest.MonkeyPatch, planted: str
) -> None:
    """As `/tmp/.git` of another account; git itself, told by its own variable whose it is, is the judge."""
    above, mine, other = repository, repository / "mine", repository.stat().st_uid + 4242
    mine.mkdir()
    for file in [path for path in above.iterdir() if path.is_file()]:
        file.rename(mine / file.name)
    monkeypatch.chdir(mine)
    (above / ".git").rmdir()
    if planted == "a folder":
        subprocess.run(["git", "init", "--quiet", above], check=True)
        theirs = above / ".git"
    else:
        subprocess.run(["git", "init", "--quiet", above / "elsewhere"], check=True)
        (above / ".git").symlink_to(above / "elsewhere" / ".git")
        theirs = above / ".git"

    def owner_of(path: Path, *, follow: bool = True) -> int:
        return other if path == theirs and (planted == "a folder" or not follow) else path.stat().st_uid

    monkeypatch.setattr(allowed_settings, "owner_of", owner_of)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    result = run("github", "team")
    assert result.exit_code == 2
    assert f"{above} is a git repository of another account (user number {other})" in result.stderr
    assert f"git init {mine}" in result.stderr
    assert not list(above.rglob("*.yml"))
    assert allowed_settings.repository_of(mine) == mine
    (above / "home").mkdir()
    monkeypatch.setenv("HOME", str(above / "home"))
    subprocess.run(["git", "config", "--global", "--add", "safe.directory", above], check=True)
    assert run("github", "team").exit_code == 0
    assert (above / ".github" / "workflows").is_dir()


def test_what_is_installed_and_whom_it_trusts_stand_beside_the_pipeline(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBMIRROR_HOME", str(repository / "home"))
    folder = repository / "mirrors" / "team"
    write_snapshot(SNAPSHOT, folder / "snapshot.json")
    key = HostKey(kind="ssh-ed25519", blob=b"a key")
    KnownHosts(known_hosts_file()).pin(SNAPSHOT.cluster.cluster_id, key)
    assert run("github", "team").exit_code == 0
    digest = hashlib.sha256(b"a wheel").hexdigest()
    requirements = (folder / "ci" / "requirements.txt").read_text()
    assert f"./dbmirror-0.1.0-py3-none-any.whl \\\n    --hash=sha256:{digest}" in requirements
    assert (folder / "ci" / "known_hosts").read_text() == f"{SNAPSHOT.cluster.cluster_id} {key}\n"


def test_a_wheel_of_the_repository_is_a_plain_file_with_an_end(repository: Path) -> None:
    wheel = repository / "dbmirror-0.1.0-py3-none-any.whl"
    with wheel.open("wb") as file:
        file.truncate(1 << 40)
    result = run("github", "team")
    assert (result.exit_code, "is larger than 64 MB" in result.output) == (2, True), result.output
    wheel.unlink()
    wheel.symlink_to("/etc/hostname")
    result = run("github", "team")
    assert (result.exit_code, "symbolic link" in result.output.replace("\n", " ")) == (2, True), result.output


def test_a_pipeline_that_trusts_no_host_key_yet_is_said(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBMIRROR_HOME", str(repository / "home"))
    result = run("github", "team")
    assert result.exit_code == 0
    assert "run 'dbmirror ssh test team', then this command again" in result.output.replace("\n", " ")


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("", "Nothing says where a pipeline can install dbmirror from"),
        ('[ci]\ndbmirror = "missing.whl"\n', "there is no such file"),
        ('[ci]\ndbmirror = "../outside.whl"\n', "there is no such file"),
        ('[ci]\ndbmirror = "git+https://git.example/dbmirror.git@main"\n', "is no commit"),
    ],
)
def test_without_a_pinned_source_there_is_no_pipeline(repository: Path, section: str, said: str) -> None:
    (repository / "dbmirror.toml").write_text(f"[mirrors.team]\n{section}")
    result = run("github", "team")
    assert result.exit_code == 2
    assert said in result.output.replace("\n", " ")
    assert not (repository / ".github").exists()


def test_a_pipeline_is_told_which_base_it_may_use_and_the_user_reads_it(repository: Path) -> None:
    configuration = repository / "dbmirror.toml"
    configuration.write_text(
        configuration.read_text().replace("[mirrors.team]", '[mirrors.team]\nbase = "ubuntu:22.04"')
    )
    result = run("github", "team")
    assert result.exit_code == 0, result.output
    pipeline = (repository / ".github" / "workflows" / "dbmirror-team.yml").read_text()
    assert pipeline.count("--trust ubuntu:22.04") == pipeline.count("dbmirror build team") > 1
    assert "It trusts what the repository names at this moment: ubuntu:22.04." in result.output
