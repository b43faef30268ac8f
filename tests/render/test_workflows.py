"""Rendered pipelines: of the published schema, with the least they need, and doing what they say."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from functools import cache
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from dbmirror.config.registries import RegistryConfig
from dbmirror.publish.registries.credential import Credential
from dbmirror.publish.registries.given_credentials import credential_from_environment
from dbmirror.publish.registries.hand_over import require_named_host
from dbmirror.publish.registries.resolve import resolve_target
from dbmirror.render.context import BuildContext
from dbmirror.render.errors import RenderError
from dbmirror.render.workflow_installation import FromGit, FromIndex, FromWheel, render_requirements
from dbmirror.render.workflows import MARKER, WORKFLOW_KINDS, Workflow, is_ours, render_workflow

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

GOLDEN = Path(__file__).parent / "golden" / "workflows"
SCHEMAS = {"github": "github-workflows", "azure-pipelines": "azure-pipelines", "gitlab": "gitlab-ci"}
RELEASE = FromIndex("0.1.0", ("a" * 64,))
CASES: dict[str, dict[str, Any]] = {
    "checked-only": {"mirror": "demo", "folder": PurePosixPath("mirrors/demo")},
    "pushed": {
        "mirror": "team.pricing",
        "folder": PurePosixPath("data/mirrors/team.pricing"),
        "config_file": PurePosixPath("data/dbmirror.toml"),
        "push": ("acr", "dockerhub", "eu-west"),
        "located_by": {"acr": "DBMIRROR_ACR_REGISTRY", "dockerhub": "DBMIRROR_DOCKERHUB_REPOSITORY"},
        "hosts": {"eu-west": "registry.example"},
    },
}
ALL = list(itertools.product(WORKFLOW_KINDS, CASES))


def rendered(kind: str, case: str = "pushed", **changes: Any) -> Workflow:
    return render_workflow(kind, **{"installation": RELEASE, **CASES[case], **changes})


def parsed(kind: str, case: str = "pushed", **changes: Any) -> dict[str, Any]:
    # YAML 1.1 reads the key `on` as True
    document = yaml.safe_load(rendered(kind, case, **changes).content)
    return {"on" if key is True else key: value for key, value in document.items()}


@cache
def schema(kind: str) -> Validator:
    """The published schema of `kind`, as the package check-jsonschema brings it."""
    folder = files("check_jsonschema").joinpath("builtin_schemas", "vendor")
    document = json.loads(folder.joinpath(f"{SCHEMAS[kind]}.json").read_bytes())
    # Two seconds of processor time, which only the worker that comes here has to spend.
    from jsonschema.validators import validator_for

    return validator_for(document)(document)


def as_schema_reads(kind: str, content: bytes) -> Any:
    """For Azure every scalar is text, and its schema says so of booleans and numbers too."""
    loaded = yaml.load(content, Loader=yaml.BaseLoader if kind == "azure-pipelines" else yaml.SafeLoader)  # noqa: S506
    return {"on" if key is True else key: value for key, value in loaded.items()}


def complaints(kind: str, document: Any) -> list[str]:
    from jsonschema.exceptions import best_match

    return [best_match([error]).message for error in schema(kind).iter_errors(document)]


def steps_of(job: dict[str, Any]) -> list[dict[str, Any]]:
    return job["steps"]


@pytest.mark.parametrize(("kind", "case"), ALL)
def test_a_mirror_gives_the_pipeline_that_it_gave_before(kind: str, case: str, request: pytest.FixtureRequest):
    workflow, folder = rendered(kind, case), GOLDEN / case / kind
    if request.config.getoption("--refresh-golden"):
        BuildContext({str(workflow.path): workflow.content}).write(folder)
    assert workflow.content.decode() == (folder / workflow.path).read_text("utf-8")


@pytest.mark.parametrize(("kind", "case"), ALL)
def test_a_pipeline_keeps_the_published_schema(kind: str, case: str):
    assert complaints(kind, as_schema_reads(kind, rendered(kind, case).content)) == []


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        ("github", b"runs-on:", b"run-on:"),
        ("azure-pipelines", b"steps:", b"step:"),
        ("gitlab", b"when: always", b"when: perhaps"),
    ],
)
def test_the_published_schema_refuses_a_slip(kind: str, right: bytes, wrong: bytes):
    slip = rendered(kind).content.replace(right, wrong)
    assert complaints(kind, as_schema_reads(kind, slip)) != []


def test_each_mirror_has_a_file_of_its_own():
    assert [str(rendered(kind).path) for kind in WORKFLOW_KINDS] == [
        ".github/workflows/dbmirror-team.pricing.yml",
        "azure-pipelines-team.pricing.yml",
        ".gitlab/dbmirror-team.pricing.yml",
    ]


@pytest.mark.parametrize("kind", WORKFLOW_KINDS)
def test_a_pipeline_says_in_its_first_line_who_wrote_it(kind: str):
    content = rendered(kind).content
    command = f"dbmirror ci {kind} team.pricing --push acr --push dockerhub --push eu-west"
    assert content.splitlines()[0].startswith(MARKER)
    assert command.encode() in content.splitlines()[0]
    assert is_ours(content)
    assert not is_ours(b"# mine\n" + content)


@pytest.mark.parametrize("kind", WORKFLOW_KINDS)
def test_what_was_committed_is_built_frozen_and_pushed(kind: str):
    content = rendered(kind).content.decode()
    frozen = "dbmirror build team.pricing --config data/dbmirror.toml --frozen --sbom"
    assert f"{frozen} --push acr --push dockerhub --push eu-west" in content
    assert "pip install" in content
    assert "--require-hashes --requirement data/mirrors/team.pricing/ci/requirements.txt" in content


@pytest.mark.parametrize("kind", WORKFLOW_KINDS)
def test_without_a_registry_nothing_is_pushed(kind: str):
    assert b"--push" not in rendered(kind, "checked-only").content


@pytest.mark.parametrize("kind", WORKFLOW_KINDS)
def test_a_configuration_at_the_root_needs_no_option(kind: str):
    content = rendered(kind, "checked-only", config_file=PurePosixPath("dbmirror.toml")).content.decode()
    assert "--config" not in content
    assert '- "dbmirror.toml"' in content


@pytest.mark.parametrize("kind", WORKFLOW_KINDS)
def test_every_variable_and_secret_is_named_in_the_file(kind: str):
    workflow = rendered(kind)
    assert all(name in workflow.content.decode() for name in (*workflow.variables, *workflow.secrets))


@pytest.mark.parametrize("name", ["acr", "dockerhub", "eu-west"])
def test_the_variables_are_the_ones_that_a_push_reads(name: str):
    workflow = rendered("github")
    environment = dict.fromkeys((*workflow.variables, *workflow.secrets), "team/demo")
    environment["DBMIRROR_ACR_REGISTRY"] = "team.azurecr.io"
    environment["DBMIRROR_EU_WEST_HOST"] = "registry.example"
    sections = {"eu-west": RegistryConfig(kind="oci", host="registry.example")}
    target = resolve_target(name, sections, environment, mirror="demo")
    credential = credential_from_environment(target, environment)
    assert isinstance(credential, Credential)
    require_named_host(target, credential)


@pytest.mark.parametrize("kind", WORKFLOW_KINDS)
def test_a_configured_registry_needs_no_variable_for_its_place(kind: str):
    workflow = rendered(kind, push=("acr",), located_by={})
    assert "DBMIRROR_ACR_REGISTRY" not in workflow.variables
    assert b"DBMIRROR_ACR_REGISTRY" not in workflow.content


@pytest.mark.parametrize("kind", WORKFLOW_KINDS)
def test_a_registrys_password_goes_to_the_host_that_the_pipeline_names(kind: str):
    document = json.dumps(parsed(kind))
    assert '"DBMIRROR_EU_WEST_HOST": "registry.example"' in document
    assert "DBMIRROR_ACR_HOST" not in document


@pytest.mark.parametrize("kind", WORKFLOW_KINDS)
def test_reports_are_kept_even_of_a_build_that_failed(kind: str):
    content = rendered(kind).content.decode()
    assert all(name in content for name in ("verification.json", "fates.json", "sbom.cdx.json", "deploy"))
    assert "always" in content


# GitHub


def test_github_reads_the_repository_and_may_do_nothing_else():
    document = parsed("github")
    assert document["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in document["jobs"].values())
    checkouts = [s for job in document["jobs"].values() for s in steps_of(job) if "checkout" in s.get("uses", "")]
    assert [step["with"]["persist-credentials"] for step in checkouts] == [False, False, False]


def test_github_actions_are_pinned_by_commit():
    used = [step["uses"] for job in parsed("github")["jobs"].values() for step in steps_of(job) if "uses" in step]
    assert used
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", action) for action in used)


@pytest.mark.parametrize("case", CASES)
def test_zizmor_finds_nothing(case: str, tmp_path: Path):
    """Its strictest persona, without the audits that ask GitHub."""
    workflow = rendered("github", case)
    path = tmp_path / workflow.path
    path.parent.mkdir(parents=True)
    path.write_bytes(workflow.content)
    program = Path(sys.executable).parent / "zizmor"
    command = [str(program), "--offline", "--persona", "auditor", "--no-progress", "--format", "plain", str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (found.returncode, "No findings to report" in found.stdout) == (0, True), found.stdout + found.stderr


def test_github_gives_secrets_to_jobs_of_the_default_branch_alone():
    jobs = parsed("github")["jobs"]
    with_secrets = {name for name, job in jobs.items() if "${{ secrets." in str(job)}
    assert with_secrets == {"check", "image"}
    assert {name for name, job in jobs.items() if job.get("environment") == "dbmirror"} == with_secrets
    assert jobs["proposal"]["if"] == "github.event_name == 'pull_request'"
    for name in with_secrets:
        assert "pull_request" not in jobs[name]["if"]
        assert "github.ref_name == github.event.repository.default_branch" in jobs[name]["if"]


def test_github_runs_daily_by_hand_and_on_changes_of_the_mirror():
    on = parsed("github")["on"]
    paths = {"paths": ["data/mirrors/team.pricing/**", "data/dbmirror.toml"]}
    assert set(on) == {"schedule", "workflow_dispatch", "push", "pull_request"}
    assert on["push"] == on["pull_request"] == paths


def test_github_hands_each_secret_to_the_step_that_needs_it_alone():
    document = parsed("github")
    assert "env" not in document
    assert not any("env" in job for job in document["jobs"].values())
    (pushing,) = [s for s in steps_of(document["jobs"]["image"]) if "--push" in s.get("run", "")]
    assert pushing["env"]["DBMIRROR_EU_WEST_PASSWORD"] == "${{ secrets.DBMIRROR_EU_WEST_PASSWORD }}"
    others = [s for job in document["jobs"].values() for s in steps_of(job) if s is not pushing]
    assert not any("PASSWORD" in str(step) for step in others)


def test_github_pushes_from_the_default_branch_alone():
    jobs = parsed("github")["jobs"]
    assert [name for name, job in jobs.items() if "--push" in str(job)] == ["image"]


@pytest.mark.parametrize("job", ["check", "proposal", "image"])
def test_github_gets_no_command_from_what_a_cluster_calls_itself(job: str):
    """Workflow commands are off around each call of dbmirror, under a name that nobody can foresee."""
    scripts = [s["run"] for s in steps_of(parsed("github")["jobs"][job]) if "dbmirror " in s.get("run", "")]
    (script,) = [text for text in scripts if "pip install" not in text]
    off = False
    for line in map(str.strip, script.splitlines()):
        if line == 'echo "::stop-commands::$stop"':
            off = True
        elif line == 'echo "::$stop::"':
            off = False
        assert off or not line.startswith("dbmirror ")
    assert "secrets.token_hex" in script


@pytest.mark.parametrize("kind", ["github", "azure-pipelines"])
def test_every_job_has_a_deadline(kind: str):
    jobs = parsed(kind)["jobs"]
    entries = jobs.values() if isinstance(jobs, dict) else jobs
    assert all(job.get("timeout-minutes") or job.get("timeoutInMinutes") for job in entries)


# Azure


def test_azure_maps_no_variable_that_may_be_missing():
    """An undefined `$(NAME)` would reach the step as that very text."""
    jobs = parsed("azure-pipelines")["jobs"]
    settings = [setting for job in jobs for step in steps_of(job) for setting in step.get("env", {}).items()]
    mapped = {name for name, value in settings if "$" in value}
    passwords = {f"DBMIRROR_{name}_PASSWORD" for name in ("ACR", "DOCKERHUB", "EU_WEST")}
    assert mapped == {"DATABRICKS_CLIENT_SECRET", "SSH_KEY_FILE", *passwords}


def test_azure_gives_its_group_to_jobs_of_the_default_branch_alone():
    document = parsed("azure-pipelines")
    assert "variables" not in document
    for job in document["jobs"]:
        if job["job"] == "proposal":
            assert "variables" not in job
        else:
            assert job["variables"] == [{"group": "dbmirror-team.pricing"}]
            assert "in(variables['Build.SourceBranch'], 'refs/heads/main', 'refs/heads/master')" in job["condition"]


def test_azure_gets_no_command_from_what_a_cluster_calls_itself():
    scripts = [step.get("bash", "") for job in parsed("azure-pipelines")["jobs"] for step in steps_of(job)]
    lines = [line for script in scripts for line in script.splitlines() if line.strip().startswith("dbmirror ")]
    assert len(lines) == 4
    assert all("2>&1 | sed -u 's/##/# #/g'" in line for line in lines)


# GitLab


def test_gitlab_leaves_the_rest_of_the_repositorys_pipeline_alone():
    document = parsed("gitlab")
    assert all("team.pricing" in name for name in document)
    assert all(document[name].get("rules") for name in document if not name.startswith("."))


# What the check does, run by a shell


def check_script(kind: str) -> str:
    document = parsed(kind, "checked-only")
    if kind == "gitlab":
        return str(document["demo: has the cluster drifted?"]["script"][0])
    job = document["jobs"]["check"] if kind == "github" else document["jobs"][0]
    (script,) = [text for s in steps_of(job) if "ssh-agent" in (text := s.get("run") or s.get("bash") or "")]
    return str(script)


def run_check(kind: str, folder: Path, *, code: int) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """The check of `kind`, with a dbmirror that notes its calls and the agent's keys; its check ends with `code`."""
    key = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ci", "-f", str(key)], check=True)
    program = folder / "bin" / "dbmirror"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$* with $(ssh-add -l | cut -d" " -f3)" >> "{folder}/calls"\n'
        f'echo "##vso[task.setvariable variable=PATH]/tmp"\n[ "$1" = check ] && exit {code}\nexit 0\n'
    )
    program.chmod(0o755)
    environment = {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "GITHUB_OUTPUT": str(folder / "output"),
        "DBMIRROR_SSH_KEY": key.read_text() if kind == "github" else str(key),
        "SSH_KEY_FILE": str(key),
    }
    finished = subprocess.run(
        ["bash", "-c", check_script(kind)], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    calls = (folder / "calls").read_text().splitlines() if (folder / "calls").exists() else []
    return finished, calls


@pytest.mark.parametrize("kind", WORKFLOW_KINDS)
def test_a_cluster_that_has_not_drifted_passes(kind: str, tmp_path: Path):
    finished, calls = run_check(kind, tmp_path, code=0)
    assert (finished.returncode, calls) == (0, ["check demo --known-hosts mirrors/demo/ci/known_hosts with ci"])
    assert "drifted" not in finished.stdout + finished.stderr


@pytest.mark.parametrize("kind", WORKFLOW_KINDS)
def test_a_drift_rebuilds_says_what_to_do_and_fails(kind: str, tmp_path: Path):
    finished, calls = run_check(kind, tmp_path, code=1)
    assert finished.returncode == 1
    assert calls == [
        "check demo --known-hosts mirrors/demo/ci/known_hosts with ci",
        "build demo --known-hosts mirrors/demo/ci/known_hosts with ci",
    ]
    assert "commit it as mirrors/demo" in finished.stdout + finished.stderr


@pytest.mark.parametrize("kind", WORKFLOW_KINDS)
def test_a_cluster_out_of_reach_fails_without_a_rebuild(kind: str, tmp_path: Path):
    finished, calls = run_check(kind, tmp_path, code=3)
    assert finished.returncode == 3
    assert calls == ["check demo --known-hosts mirrors/demo/ci/known_hosts with ci"]


@pytest.mark.parametrize("kind", WORKFLOW_KINDS)
def test_a_check_leaves_no_agent_and_writes_no_key(kind: str, tmp_path: Path):
    finished, _ = run_check(kind, tmp_path, code=0)
    assert finished.stderr == ""
    assert not (tmp_path / ".ssh").exists()
    assert subprocess.run(
        ["ssh-add", "-l"], env={"PATH": os.environ["PATH"]}, capture_output=True, check=False
    ).returncode


def test_github_tells_the_next_step_of_a_drift(tmp_path: Path):
    run_check("github", tmp_path, code=1)
    assert (tmp_path / "output").read_text() == "drifted=true\n"


def test_azure_obeys_the_pipeline_and_not_dbmirrors_output(tmp_path: Path):
    finished, _ = run_check("azure-pipelines", tmp_path, code=1)
    commands = [line for line in finished.stdout.splitlines() if "##vso" in line]
    assert [line.partition("]")[0] for line in commands] == [
        "##vso[task.setvariable variable=drifted",
        "##vso[task.logissue type=error",
    ]


# Names and paths


@pytest.mark.parametrize("kind", WORKFLOW_KINDS)
@pytest.mark.parametrize("value", ["", "Demo", "a b", "a\nb", "$(x)", "${{ x }}", "a'b", 'a"b', "-a", "a/b", "<<x>>"])
def test_a_hostile_name_is_refused(kind: str, value: str):
    with pytest.raises(RenderError, match="cannot be a mirror's name"):
        rendered(kind, mirror=value)
    with pytest.raises(RenderError, match="cannot be a registry's name"):
        rendered(kind, push=(value,))


@pytest.mark.parametrize("kind", WORKFLOW_KINDS)
@pytest.mark.parametrize(
    "value", ["/mirrors/demo", "../demo", "a/../b", "", "a b", "a\nb", "$HOME", "a*", "-a", "a/#b"]
)
def test_a_path_that_a_pipeline_could_misread_is_refused(kind: str, value: str):
    with pytest.raises(RenderError, match="cannot be named in a pipeline"):
        rendered(kind, folder=PurePosixPath(value))
    with pytest.raises(RenderError, match="cannot be named in a pipeline"):
        rendered(kind, config_file=PurePosixPath(value))


# What is installed


def requirements(installation: Any) -> list[str]:
    return render_requirements(installation).decode().splitlines()


def test_all_that_is_installed_has_hashes():
    lines = requirements(FromIndex("0.1.0", ("a" * 64, "b" * 64)))
    assert lines[1:4] == ["dbmirror==0.1.0 \\", f"    --hash=sha256:{'a' * 64} \\", f"    --hash=sha256:{'b' * 64}"]
    joined = "\n".join(lines).replace("\\\n", "").splitlines()
    assert all("--hash=sha256:" in line for line in joined if line and not line.startswith("#"))
    assert {"click", "databricks-sdk", "azure-identity"} <= {line.partition("==")[0] for line in joined}


def test_a_committed_wheel_is_installed_by_its_hash():
    wheel = FromWheel(PurePosixPath("tools/dbmirror-0.1.0-py3-none-any.whl"), "c" * 64)
    assert requirements(wheel)[1:3] == ["./tools/dbmirror-0.1.0-py3-none-any.whl \\", f"    --hash=sha256:{'c' * 64}"]


@pytest.mark.parametrize("kind", WORKFLOW_KINDS)
def test_a_git_commit_is_installed_by_its_number(kind: str):
    git = FromGit("https://git.example/team/dbmirror.git", "d" * 40)
    assert (
        f"dbmirror @ git+https://git.example/team/dbmirror.git@{'d' * 40}"
        in rendered(kind, installation=git).content.decode()
    )
    assert not any(line.startswith(("dbmirror", "./")) for line in requirements(git))


@pytest.mark.parametrize(
    "installation",
    [
        FromIndex("latest", ("a" * 64,)),
        FromIndex("1.0; rm", ("a" * 64,)),
        FromIndex("1.0", ()),
        FromIndex("1.0", ("a" * 63,)),
        FromWheel(PurePosixPath("x.whl"), "A" * 64),
        FromGit("https://git.example/x;y", "d" * 40),
        FromGit("ssh://git.example/x", "d" * 40),
        FromGit("https://git.example/x", "main"),
    ],
)
def test_what_names_no_pinned_file_cannot_be_installed(installation: Any):
    with pytest.raises(RenderError):
        render_requirements(installation)
