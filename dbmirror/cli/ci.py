"""ci: a pipeline that keeps a mirror up to date."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import click

from dbmirror import __version__
from dbmirror.cli.options import command, config_option, dry_run_option, mirror_argument
from dbmirror.cli.output import Output
from dbmirror.config import load_config
from dbmirror.errors import UsageError
from dbmirror.files import write_atomically
from dbmirror.render.workflows import WORKFLOW_KINDS, is_ours, render_workflow


@click.command("ci", short_help="Write a pipeline that keeps a mirror up to date.")
@click.argument("kind", type=click.Choice(WORKFLOW_KINDS), metavar="|".join(WORKFLOW_KINDS))
@mirror_argument
@config_option
@click.option("--push", "targets", multiple=True, metavar="NAME", help="Push to this registry; can be given again.")
@click.option("--force", is_flag=True, help="Write over a file that dbmirror did not write.")
@dry_run_option
@command
def ci_command(
    output: Output,
    kind: str,
    mirror: str,
    config_file: Path | None,
    targets: tuple[str, ...],
    force: bool,
    dry_run: bool,
) -> None:
    """Write a pipeline that asks on a schedule whether the cluster has drifted, and builds, verifies and pushes what
    is committed. It holds no secret: it names those that the CI system must have.

    \b
    Example:
      dbmirror ci github demo --push acr
    """
    loaded = load_config(config_file)
    loaded.mirror(mirror)
    root = _repository(loaded.root)
    workflow = render_workflow(
        kind,  # type: ignore[arg-type]  # click has checked it
        mirror=mirror,
        folder=_within(loaded.mirror_folder(mirror), root),
        version=__version__,
        push=targets,
        configured=tuple(loaded.config.registries),
        config_file=_within(loaded.origin, root) if loaded.origin else None,
    )
    path = root / workflow.path
    if path.exists() and not is_ours(path.read_bytes()) and not force:
        raise UsageError(f"{path} was not written by dbmirror.", remedy="Move it away, or write over it with --force.")
    if not dry_run:
        write_atomically(path, workflow.content)
    output.document(
        {
            "mirror": mirror,
            "file": path,
            "variables": workflow.variables,
            "secrets": workflow.secrets,
            "written": not dry_run,
        }
    )
    output.show(f"{path} would be written." if dry_run else f"{path} is written; commit it.")
    output.show(f"Variables that it needs: {', '.join(workflow.variables) or 'none'}.")
    output.show(f"Secrets that it needs, from the CI system's own store: {', '.join(workflow.secrets) or 'none'}.")
    if kind == "gitlab":
        output.show(f"Include it in .gitlab-ci.yml (include: - local: /{workflow.path}), and add a pipeline schedule.")


def _repository(folder: Path) -> Path:
    """The root of the git work tree that holds `folder`. Raises UsageError where there is none."""
    for place in (folder, *folder.parents):
        if (place / ".git").exists():
            return place
    raise UsageError(
        f"{folder} is in no git repository, so no pipeline can build from it.", remedy="Make one: git init"
    )


def _within(path: Path, root: Path) -> PurePosixPath:
    return PurePosixPath(path.absolute().relative_to(root.absolute()).as_posix())
