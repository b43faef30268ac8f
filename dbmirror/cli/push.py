"""push: the verified image in registries, and what to do with it."""

from __future__ import annotations

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


@click.command("push")
@mirror_argument
@click.argument("targets", metavar="NAME...", nargs=-1, required=True)
@config_option
@push_options
@dry_run_option
@command
def push_command(
    output: Output,
    name: str,
    targets: tuple[str, ...],
    config_file: Path | None,
    password_stdin: bool,
    allow_unverified: bool,
    replace_tag: bool,
    move_tag: bool,
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
    from dbmirror.cli import mirror_tables
    from dbmirror.cli.json_documents import image_document
    from dbmirror.cli.session import opened
    from dbmirror.pipeline.publish_stage import Published, destinations, publish_image

    password = read_password(password_stdin)
    with opened(output, name, config_file, dry_run=dry_run) as mirror:
        built = mirror.built()
        to = destinations(mirror, targets, password=password)
        done = Published()
        if not dry_run:
            done = publish_image(
                mirror, built, to, allow_unverified=allow_unverified, replace_tag=replace_tag, move_tag=move_tag
            )
    output.document(
        {"mirror": name, "image": image_document(built), "pushed": done.pushed, "deployment": done.deployment}
    )
    if done.pushed:
        output.show(mirror_tables.pushed(done.pushed))
    if done.deployment:
        output.say(mirror_tables.what_to_do(done.deployment))
