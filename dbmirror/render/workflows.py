"""Pipelines for GitHub Actions, Azure Pipelines and GitLab that check, rebuild, verify and push one mirror."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, Literal, get_args

from dbmirror.config import MirrorName, RegistryName
from dbmirror.config.registries import variable_stem
from dbmirror.inventory.field_checks import fits
from dbmirror.mirror_folder.names import DEPLOY, FATES, SBOM, VERIFICATION
from dbmirror.render.errors import RenderError
from dbmirror.render.file_templates import fill
from dbmirror.render.workflow_installation import Installation, git_requirement

WorkflowKind = Literal["github", "azure-pipelines", "gitlab"]
WORKFLOW_KINDS: Final[tuple[WorkflowKind, ...]] = get_args(WorkflowKind)

MARKER: Final = b"# Written by 'dbmirror ci "
"""How the first line of a rendered pipeline begins; a file without it is somebody else's."""
REQUIREMENTS: Final = PurePosixPath("ci/requirements.txt")
"""What the pipeline installs, in the mirror's folder."""
KNOWN_HOSTS: Final = PurePosixPath("ci/known_hosts")
"""The driver's host keys that the pipeline trusts, in the mirror's folder."""
ARTEFACTS: Final = (VERIFICATION, FATES, SBOM, DEPLOY)
"""What a build leaves in the mirror's folder for people to keep."""

_PATHS: Final[dict[WorkflowKind, str]] = {
    "github": ".github/workflows/dbmirror-{mirror}.yml",
    "azure-pipelines": "azure-pipelines-{mirror}.yml",
    "gitlab": ".gitlab/dbmirror-{mirror}.yml",
}
_EVERYTHING_BELOW: Final[dict[WorkflowKind, str]] = {"github": "/**", "azure-pipelines": "", "gitlab": "/**/*"}
"""How each of them says that any file below a folder is meant."""
_PART: Final = re.compile(r"(?!\.\.?\Z)[A-Za-z0-9._][A-Za-z0-9._-]*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """A registry that a pipeline pushes to."""

    stem: str
    """How its variables begin."""
    location: tuple[str, ...]
    """Variables that say where it is, besides those of its login."""
    host: str
    """The host that its password may go to; empty where its name says that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """A rendered pipeline, and what its owner has to give it."""

    path: PurePosixPath
    """Where it lies, from the repository's root."""
    content: bytes
    variables: tuple[str, ...]
    """Names of the settings that it needs and that are no secrets."""
    secrets: tuple[str, ...]
    """Names of the secrets that it needs, from the CI system's own store; Azure keeps the SSH key as a secure file."""


def render_workflow(
    kind: WorkflowKind,
    *,
    mirror: str,
    folder: PurePosixPath,
    installation: Installation,
    push: Sequence[str] = (),
    located_by: Mapping[str, str] | None = None,
    hosts: Mapping[str, str] | None = None,
    config_file: PurePosixPath | None = None,
    trusted: Sequence[str] = (),
) -> Workflow:
    """The pipeline of the mirror `mirror`, whose files lie in `folder` (a path from the repository's root).

    On a schedule it asks whether the cluster has drifted, and after a drift it rebuilds from the cluster and keeps the
    result for review; after a change of the committed files it builds from them alone, verifies, and on the default
    branch pushes to the registries `push`. `located_by` names the variable that says where a registry is, for each that
    has no section in `config_file` (dbmirror.toml, a path from the repository's root), and `hosts` the host that a
    registry's password may go to, whatever that file names later; one that answers for its name needs none. `trusted`
    are the base images and apt repositories that its builds may use. The pipeline reads two files beside it:
    `folder`/ci/requirements.txt (see `render_requirements`) and `folder`/ci/known_hosts.

    Jobs that read secrets run for the default branch alone; a proposed change is built without any.

    Raises RenderError where a name or a path has not its form.
    """
    _check(mirror=mirror, push=push, paths=[folder, *([config_file] if config_file else [])])
    options = ("--config", config_file.as_posix()) if config_file and config_file.parent != PurePosixPath() else ()
    trust = [word for name in trusted for word in ("--trust", name)]
    frozen = ("dbmirror", "build", mirror, *options, "--frozen", "--sbom", *trust)
    targets = [word for name in push for word in ("--push", name)]
    known_hosts = ("--known-hosts", (folder / KNOWN_HOSTS).as_posix())
    pip = ("python", "-m", "pip", "install", "--disable-pip-version-check", "--no-deps")
    install: list[tuple[str, ...]] = [(*pip, "--require-hashes", "--requirement", (folder / REQUIREMENTS).as_posix())]
    if (requirement := git_requirement(installation)) is not None:
        install.append((*pip, requirement))
    located, named = located_by or {}, hosts or {}
    registries = [
        Registry(
            stem=variable_stem(name), location=(located[name],) if name in located else (), host=named.get(name, "")
        )
        for name in push
    ]
    content = fill(
        f"workflow_templates/{kind}.yml.j2",
        kind=kind,
        mirror=mirror,
        folder=folder.as_posix(),
        install=install,
        written_by=("dbmirror", "ci", kind, mirror, *targets),
        check=("dbmirror", "check", mirror, *options, *known_hosts),
        rebuild=("dbmirror", "build", mirror, *options, *known_hosts, *trust),
        build=frozen,
        push=(*frozen, *targets),
        registries=registries,
        named=[registry for registry in registries if registry.host],
        paths=[folder.as_posix() + _EVERYTHING_BELOW[kind], *([config_file.as_posix()] if config_file else [])],
        artefacts=ARTEFACTS,
    )
    return Workflow(
        path=PurePosixPath(_PATHS[kind].format(mirror=mirror)),
        content=content,
        variables=(
            *("DATABRICKS_HOST", "DATABRICKS_CLIENT_ID", "DATABRICKS_CLUSTER_ID"),
            *(variable for registry in registries for variable in registry.location),
            *(f"{registry.stem}_USERNAME" for registry in registries),
        ),
        secrets=(
            "DATABRICKS_CLIENT_SECRET",
            f"dbmirror-{mirror}-ssh-key" if kind == "azure-pipelines" else "DBMIRROR_SSH_KEY",
            *(f"{registry.stem}_PASSWORD" for registry in registries),
        ),
    )


def is_ours(content: bytes) -> bool:
    """Whether `content` is a rendered pipeline: what may be overwritten without a question."""
    return content.startswith(MARKER)


def _check(*, mirror: str, push: Sequence[str], paths: Sequence[PurePosixPath]) -> None:
    if not fits(mirror, MirrorName):
        raise RenderError(f"{mirror[:80]!r} cannot be a mirror's name.")
    for name in push:
        if not fits(name, RegistryName):
            raise RenderError(f"{name[:80]!r} cannot be a registry's name.")
    for path in paths:
        if path.is_absolute() or not path.parts or not all(_PART.fullmatch(part) for part in path.parts):
            raise RenderError(
                f"{path.as_posix()[:200]!r} cannot be named in a pipeline.",
                remedy="Keep the mirrors inside the repository, in folders named with letters, digits, '.', '_', '-'.",
            )
