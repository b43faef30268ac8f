"""push: the verified image in registries, and what to do with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dbmirror.cli.options import (
    command,
    config_option,
    dry_run_option,
    mirror_argument,
    push_options,
    read_password,
)

if TYPE_CHECKING:
    from dbmirror.cli.output import Output
    from dbmirror.pipeline.line import Pipeline
    from dbmirror.publish.gate import Pushed
    from dbmirror.snapshot import Snapshot


@click.command("push")
@mirror_argument
@click.argument("targets", metavar="NAME...", nargs=-1, required=True)
@config_option
@push_options
@dry_run_option
@command
def push_command(
    output: Output,
    mirror: str,
    targets: tuple[str, ...],
    config_file: Path | None,
    password_stdin: bool,
    allow_unverified: bool,
    replace_tag: bool,
    dry_run: bool,
) -> None:
    """Push the verified image to registries: the one that was built last. One that is there is not sent again.

    NAME is a [registries.NAME] section of dbmirror.toml; `acr` and `dockerhub` do without one and take what they
    need from the environment.

    \b
    Examples:
      dbmirror push demo acr
      dbmirror push demo dockerhub --password-stdin < token.txt
    """
    from dbmirror.cli import tables
    from dbmirror.cli.documents import image_document
    from dbmirror.cli.session import opened
    from dbmirror.pipeline import release

    password = read_password(password_stdin)
    with opened(output, mirror, config_file, dry_run=dry_run) as pipeline:
        built = pipeline.built()
        destinations = release.destinations(pipeline, targets, password=password)
        pushed: tuple[Pushed, ...] = ()
        if not dry_run:
            pushed = release.push(pipeline, built, destinations, allow_unverified=allow_unverified, replace=replace_tag)
        deployment = deploy(output, pipeline, pipeline.snapshot(), pushed) if pushed else ()
    output.document({"mirror": mirror, "image": image_document(built), "pushed": pushed, "deployment": deployment})
    if pushed:
        output.show(tables.pushed(pushed))


def deploy(output: Output, pipeline: Pipeline, snapshot: Snapshot, pushed: Sequence[Pushed]) -> tuple[Path, ...]:
    """Write what to do with the image; where the platform takes none on such a cluster, say why: the push stands."""
    from dbmirror.pipeline import release
    from dbmirror.render.deployment import DeploymentRefused

    try:
        files = release.deploy(pipeline, snapshot, pushed)
    except DeploymentRefused as refusal:
        pipeline.observer.warn(f"{refusal.message} {refusal.remedy}")
        return ()
    output.say(
        f"What to do with it: {files[0].parent / 'README.md'}, with cluster.json, Terraform and a bundle beside it."
    )
    return files
