"""What zizmor is for GitHub's workflows, for pipelines of Azure DevOps and GitLab: what a stranger could make of one.

Sources: Microsoft's "Secure Azure Pipelines" and "Define variables" (macros are expanded before the shell starts),
GitLab's "Pipeline security" and "Predefined CI/CD variables" (which of them the author of a merge request writes).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_MACRO = re.compile(r"\$\([A-Za-z0-9_.]+\)|\$\{\{|\$\[")
"""Expanded by Azure before a shell reads the script. `$(ssh-agent -s)` is the shell's: no variable has a space."""
_TASK = re.compile(r"(UsePythonVersion|DownloadSecureFile)@\d+")
"""Microsoft's own tasks, of one major version, which is all that can be pinned."""
_TRUSTED_CONDITION = "in(variables['Build.SourceBranch'], 'refs/heads/main', 'refs/heads/master')"
_NO_PROPOSAL = re.compile(
    r"and\(\s*(in\(variables\['Build.Reason'\], '|not\(in\(variables\['Build.Reason'\], [^)]*'PullRequest')"
)
_TRUSTED_RULE = "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"
_STRANGERS = re.compile(
    r"CI_(COMMIT_(MESSAGE|TITLE|DESCRIPTION|AUTHOR|BRANCH|REF_NAME|TAG\w*)|MERGE_REQUEST_\w*(TITLE|DESCRIPTION|NAME\w*|LABELS)"
    r"|EXTERNAL_PULL_REQUEST_\w+)"
)
"""Text that whoever proposes a change writes."""
_SECRET = re.compile(r"DATABRICKS_CLIENT_SECRET|DBMIRROR_SSH_KEY|\w+_PASSWORD|UV_DEFAULT_INDEX")
_EXACT_IMAGE = re.compile(r"[a-z0-9./_-]+(:\d+\.\d+\.\d+[\w.-]*|@sha256:[0-9a-f]{64})")


def azure_findings(document: dict[str, Any]) -> list[str]:
    """What is wrong with a pipeline of Azure DevOps."""
    found = [f"the whole pipeline has {key}" for key in ("variables", "resources", "extends") if key in document]
    for job in document["jobs"]:
        name, condition = job["job"], " ".join(job.get("condition", "").split())
        trusted = _TRUSTED_CONDITION in condition and _NO_PROPOSAL.match(condition)
        if not re.fullmatch(r"[a-z]+-\d[\d.]*", job.get("pool", {}).get("vmImage", "")):
            found.append(f"{name} runs on whatever is newest")
        if not trusted and ("variables" in job or "$(" in str([s.get("env") for s in job["steps"]]) or _files(job)):
            found.append(f"{name} has secrets where anybody's proposal is built")
        if not any(step.get("checkout") == "self" and not step["persistCredentials"] for step in job["steps"]):
            found.append(f"{name} leaves the repository's token to its steps")
        for step in job["steps"]:
            if "task" in step and not _TASK.fullmatch(step["task"]):
                found.append(f"{name} runs the task {step['task']}")
            script = step.get("bash") or step.get("script") or step.get("powershell") or ""
            if _MACRO.search(script):
                found.append(f"{name} writes a variable into a script: {_MACRO.findall(script)[0]}")
            found += [f"{name}: {problem}" for problem in _commands(script)]
    return found


def gitlab_findings(document: dict[str, Any]) -> list[str]:
    """What is wrong with a pipeline of GitLab."""
    found = [f"the whole pipeline has {key}" for key in ("variables", "include", "default") if key in document]
    base = next(job for name, job in document.items() if name.startswith("."))
    images = [base["image"], *(service["name"] for service in base.get("services", ()))]
    found += [f"{image} is whatever is newest" for image in images if not _EXACT_IMAGE.fullmatch(image)]
    for name, job in document.items():
        scripts = "\n".join([*job.get("before_script", ()), *job.get("script", ())])
        conditions = [rule["if"] for rule in job.get("rules", ())]
        for condition in conditions:
            if _TRUSTED_RULE not in condition and (_SECRET.search(str(job)) or "--push" in scripts):
                found.append(f"{name} has secrets where {condition}")
        if not name.startswith(".") and not conditions:
            found.append(f"{name} runs for everything")
        if _STRANGERS.search(scripts):
            found.append(f"{name} writes a stranger's text into a script")
        found += [f"{name}: {problem}" for problem in _commands(scripts)]
    return found


def _commands(script: str) -> Iterator[str]:
    if "--accept-host-key" in script:
        yield "it takes whatever host key it is shown"
    for line in script.splitlines():
        if "pip install" in line and "--require-hashes" not in line and " git+" not in line:
            yield f"it installs without hashes: {line.strip()}"
        if re.search(r"(curl|wget)\b.*\|", line):
            yield f"it runs what it downloads: {line.strip()}"


def _files(job: dict[str, Any]) -> bool:
    return any(step.get("task", "").startswith("DownloadSecureFile") for step in job["steps"])
