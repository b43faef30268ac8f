"""build: from a running cluster to a verified image, pushed if that is asked for."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dbmirror.cli.options import (
    command,
    config_option,
    driver_options,
    dry_run_option,
    fates_option,
    lock_options,
    push_options,
    read_password,
)
from dbmirror.cli.stages import ImageRefuted
from dbmirror.errors import UsageError

if TYPE_CHECKING:
    from dbmirror.cli.output import Output


@click.command("build")
@click.argument("mirror", metavar="MIRROR", required=False)
@click.option("--all", "every", is_flag=True, help="Build every mirror of dbmirror.toml, in parallel by one bake.")
@config_option
@driver_options
@lock_options
@fates_option
@click.option(
    "--push", "targets", multiple=True, metavar="NAME", help="Push to this registry afterwards; can be given again."
)
@push_options
@click.option("--keep-going", is_flag=True, help="Build without the R packages that do not compile.")
@click.option("--sbom", is_flag=True, help="Write a CycloneDX bill of materials, sbom.cdx.json, with the fates.")
@click.option("--frozen", is_flag=True, help="Build from the mirror's files alone: no workspace, no SSH, no new lock.")
@dry_run_option
@command
def build_command(
    output: Output,
    mirror: str | None,
    every: bool,
    config_file: Path | None,
    shown: str,
    targets: tuple[str, ...],
    password_stdin: bool,
    allow_unverified: bool,
    replace_tag: bool,
    sbom: bool,
    frozen: bool,
    dry_run: bool,
    **options: Any,
) -> None:
    """Turn a running cluster into a verified image: snapshot, lock, render, build and verify, in a row.

    Nothing changed since the last time means nothing to do: the same files, the same image.

    \b
    Examples:
      dbmirror build demo
      dbmirror build demo --push acr --push dockerhub
      dbmirror build demo --base ubuntu:22.04 --whitelist
      dbmirror build demo --frozen
      dbmirror build --all
    """
    from rich.text import Text

    from dbmirror.cli import tables
    from dbmirror.cli.all_mirrors import build_every
    from dbmirror.cli.documents import image_document, lock_document, report_document
    from dbmirror.cli.push import deploy
    from dbmirror.cli.session import opened
    from dbmirror.engine.docker import facts
    from dbmirror.pipeline import release
    from dbmirror.publish.gate import Pushed
    from dbmirror.verify.r import as_built

    if every == (mirror is not None):
        raise UsageError("Either a MIRROR or --all is needed.", remedy="For example: dbmirror build demo")
    _refuse_what_frozen_ignores(frozen, options)
    # No engine, an unknown registry, a wrong password: better said now than after minutes of work.
    facts()
    password = read_password(password_stdin)
    began = time.monotonic()
    if mirror is None:
        if password_stdin or sbom or allow_unverified or replace_tag or targets:
            raise UsageError(
                "--all builds and verifies; it does not push.", remedy="Push each mirror: dbmirror push NAME …"
            )
        build_every(output, config_file, shown=shown, frozen=frozen, dry_run=dry_run, **options)
        return
    with opened(output, mirror, config_file, dry_run=dry_run, **options) as pipeline:
        destinations = release.destinations(pipeline, targets, password=password)
        snapshot = pipeline.snapshot() if frozen else pipeline.take_snapshot()
        lock = pipeline.lock() if frozen else pipeline.make_lock(snapshot)
        if dry_run:
            output.document({"mirror": mirror, **lock_document(lock)})
            output.show(tables.fates(lock, shown))
            return
        pipeline.render(lock)
        built, result = pipeline.build(lock)
        report = pipeline.verify(built, lock, snapshot)
        pushed: tuple[Pushed, ...] = ()
        deployment: tuple[Path, ...] = ()
        if destinations and (report.passed or allow_unverified):
            pushed = release.push(pipeline, built, destinations, allow_unverified=allow_unverified, replace=replace_tag)
            deployment = deploy(output, pipeline, snapshot, pushed)
        bill = release.write_bill(pipeline, built, lock, snapshot, pushed) if sbom else None
    tag = built.tags[0]
    output.document(
        {
            "mirror": mirror,
            "image": image_document(built),
            "build": {"seconds": round(result.seconds, 1), "steps": result.steps, "cached": result.cached_steps},
            **lock_document(lock, report),
            "verification": report_document(report),
            "pushed": pushed,
            "deployment": deployment,
            "sbom": bill,
        }
    )
    output.show(tables.fates(as_built(lock, report), shown))
    output.show(tables.verification(report))
    built_in = f"  built in {result.seconds:.1f} s ({result.cached_steps} of {result.steps} steps cached)"
    output.show(Text.assemble((tag, "bold"), built_in))
    if pushed:
        output.show(tables.pushed(pushed))
    output.say(f"Done in {time.monotonic() - began:.1f} s. All files are in {pipeline.folder}; commit them.")
    if not report.passed:
        raise ImageRefuted(
            f"{tag} was built, but it is not what the cluster has, or breaks the contract: see the rows above.",
            remedy=f"The whole report is {pipeline.folder / 'verification.json'}. "
            + ("It was pushed all the same, as asked." if pushed else "A push refuses this image."),
        )
    output.say(f"Next: docker run --rm -it {tag} /databricks/python3/bin/python")


def _refuse_what_frozen_ignores(frozen: bool, options: Mapping[str, Any]) -> None:
    """Raises UsageError where an option is given that shapes the lock, which --frozen takes as it is."""
    given = [name for name in ("whitelist", "base", "flavour", "refresh", "no_capture") if options.get(name)]
    if frozen and given:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UsageError(
            f"--frozen builds the lock as it is, and {names} would change it.",
            remedy="Leave out one of them; 'dbmirror lock MIRROR' makes the lock again from the committed snapshot.",
        )
