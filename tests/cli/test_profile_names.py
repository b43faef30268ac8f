"""Profiles of any name, the keys that their mirrors log in with, and the sandbox's profile in a section."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dbmirror.cli import main
from dbmirror.config import load_config
from dbmirror.folders import sandbox_folder
from dbmirror.sandbox.profile import write_mirror, write_profile
from dbmirror.workspace.ssh_keys import ensure_key, read_public_key
from tests.workspace.conftest import (  # noqa: F401 - fixtures
    TOKEN,
    Workspace,
    a_cluster,
    home,
    workspace,
    write_profiles,
)


def run(*arguments: str, code: int = 0) -> Result:
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == code, done.output
    return done


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def sandbox() -> Path:
    """What `sandbox up` leaves."""
    write_profile(name="demo", host="http://127.0.0.1:9", token=TOKEN, cluster_id="1-2-3")
    key = sandbox_folder() / "id_demo"
    key.write_text("a key")
    write_mirror(
        name="demo", cluster_id="1-2-3", base="base:1", identity_file=key, network="net", files_url="http://127.0.0.1:9"
    )
    return key


@pytest.mark.parametrize("name", ["DEFAULT", "PROD-EU", "my.team", "My Team"])
def test_clusters_takes_a_profile_of_any_name(
    workspace: Workspace,  # noqa: F811
    write_profiles: Callable[[str], Path],  # noqa: F811
    name: str,
) -> None:
    write_profiles(f"[{name}]\nhost = {workspace.host}\ntoken = {TOKEN}\n")
    workspace.clusters["1-a"] = a_cluster("1-a", ssh_public_keys=[read_public_key(ensure_key(name))])
    document = json.loads(run("clusters", name, "--json").stdout)
    assert [(each["cluster_id"], each["cannot_snapshot"]) for each in document["clusters"]] == [("1-a", [])]


def test_clusters_says_of_a_cluster_that_refuses_the_login_which_way_is_left(
    workspace: Workspace,  # noqa: F811
    write_profiles: Callable[[str], Path],  # noqa: F811
) -> None:
    write_profiles(f"[team]\nhost = {workspace.host}\ntoken = {TOKEN}\n")
    ensure_key("team")
    workspace.clusters["1-a"] = a_cluster("1-a")
    (found,) = json.loads(run("clusters", "team", "--json").stdout)["clusters"]
    assert found["ways"] == ["api"]
    assert found["no_ssh"] == "none of the keys that you have is on it: 'dbmirror ssh setup team' adds yours"
    assert "yes, by api" in run("clusters", "team").stdout
    workspace.clusters["1-a"]["data_security_mode"] = "USER_ISOLATION"
    (found,) = json.loads(run("clusters", "team", "--json").stdout)["clusters"]
    assert found["cannot_snapshot"] == [found["no_ssh"]]


def test_a_mirror_is_named_after_its_profile_and_that_is_said(
    workspace: Workspace,  # noqa: F811
    write_profiles: Callable[[str], Path],  # noqa: F811
    project: Path,
) -> None:
    write_profiles(f"[PROD-EU]\nhost = {workspace.host}\ntoken = {TOKEN}\n")
    done = run("snapshot", "PROD-EU", code=2)
    assert (
        f"The mirror of the profile PROD-EU is called prod-eu: its folder is {project}/mirrors/prod-eu." in done.output
    )
    assert "There is no cluster" in done.output, "the workspace of PROD-EU was asked"
    assert "There is no cluster" in run("snapshot", "prod-eu", code=2).output


def test_a_section_that_has_the_derived_name_for_another_profile_is_no_answer(
    write_profiles: Callable[[str], Path],  # noqa: F811
    project: Path,
) -> None:
    write_profiles("[PROD]\nhost = http://127.0.0.1:9\n[other]\nhost = http://127.0.0.1:9\n")
    (project / "dbmirror.toml").write_text("[mirrors.prod]\nprofile = 'other'\n")
    assert "makes one of the profile other" in run("snapshot", "PROD", code=2).output


def test_profiles_knows_the_keys_that_mirrors_log_in_with(
    write_profiles: Callable[[str], Path],  # noqa: F811
    home: Path,  # noqa: F811
    project: Path,
) -> None:
    key = sandbox()
    own = home / ".ssh" / "team_key"
    own.parent.mkdir()
    own.write_text("a key")
    write_profiles("[team]\nhost = https://team.example\n[bare]\nhost = https://bare.example\n")
    (project / "dbmirror.toml").write_text(f"[mirrors.x]\nprofile = 'team'\n[mirrors.x.ssh]\nidentity_file = '{own}'\n")
    listed = json.loads(run("profiles", "--json").stdout)["profiles"]
    assert {each["name"]: (each["has_ssh_key"], each["ssh_key"]) for each in listed} == {
        "team": (True, str(own)),
        "bare": (False, str(home / ".ssh" / "id_bare")),
        "demo": (True, str(key)),
    }


def test_a_mistake_in_a_mirrors_section_hides_no_profile(
    write_profiles: Callable[[str], Path],  # noqa: F811
    project: Path,
) -> None:
    write_profiles("[team]\nhost = https://team.example\n")
    (project / "dbmirror.toml").write_text("[mirrors.x]\nnonsense = 1\n")
    assert "team" in run("profiles").output


def test_a_section_of_the_sandboxs_profile_has_what_the_sandbox_needs(project: Path) -> None:
    key = sandbox()
    (project / "dbmirror.toml").write_text(
        "[mirrors.x]\nprofile = 'demo'\ncluster = 'nightly'\nfilter = 'whitelist'\n[mirrors.y]\nprofile = 'other'\n"
    )
    loaded = load_config()
    x, y = loaded.mirror("x"), loaded.mirror("y")
    assert (x.ssh.identity_file, x.lab.networks, x.base) == (key, ("net",), "base:1")
    assert [waiver.rule for waiver in x.waive] == ["L02", "L03"]
    assert (x.cluster, x.filter) == ("nightly", "whitelist"), "what the section says itself stays"
    assert (y.ssh.identity_file, y.base) == (None, None)
