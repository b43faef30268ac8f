"""build, push: from a running cluster to a verified image in a registry."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from dbmirror.cli import tables
from dbmirror.cli.mirror import ImageRefuted, choices_of, lock_document, opened, questions, report_document
from dbmirror.cli.options import (
    command,
    config_option,
    driver_options,
    dry_run_option,
    fates_option,
    lock_options,
    mirror_argument,
    push_options,
    read_password,
)
from dbmirror.cli.output import Output
from dbmirror.config import load_config
from dbmirror.engine.docker import facts
from dbmirror.errors import DbmirrorError, UsageError
from dbmirror.pipeline import release
from dbmirror.pipeline.all_mirrors import AllMirrors, BuiltMirror, FailedMirror, PreparedMirror
from dbmirror.pipeline.line import Pipeline
from dbmirror.publish.gate import Pushed
from dbmirror.render.deployment import DeploymentRefused
from dbmirror.snapshot import Snapshot
from dbmirror.verify.r import as_built


class SomeMirrorsFailed(DbmirrorError):
    """Of several mirrors some did not come about; the exit code is the first one's."""

    def __init__(self, message: str, *, remedy: str, exit_code: int) -> None:
        super().__init__(message, remedy=remedy)
        self.exit_code = exit_code  # type: ignore[misc]  # of this error alone


@click.command("build", short_help="Turn a running cluster into a verified image.")
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
            "image": {"tag": tag, "id": built.image_id},
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


@click.command("push", short_help="Push the verified image to registries.")
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
    """Push the image that was built and verified last. An image that is there already is not sent again.

    NAME is a [registries.NAME] section of dbmirror.toml; `acr` and `dockerhub` do without one and take what they
    need from the environment.

    \b
    Examples:
      dbmirror push demo acr
      dbmirror push demo dockerhub --password-stdin < token.txt
    """
    password = read_password(password_stdin)
    with opened(output, mirror, config_file, dry_run=dry_run) as pipeline:
        built = pipeline.built()
        destinations = release.destinations(pipeline, targets, password=password)
        pushed: tuple[Pushed, ...] = ()
        if not dry_run:
            pushed = release.push(pipeline, built, destinations, allow_unverified=allow_unverified, replace=replace_tag)
        deployment = deploy(output, pipeline, pipeline.snapshot(), pushed) if pushed else ()
    image = {"tag": built.tags[0], "id": built.image_id}
    output.document({"mirror": mirror, "image": image, "pushed": pushed, "deployment": deployment})
    if pushed:
        output.show(tables.pushed(pushed))


def deploy(output: Output, pipeline: Pipeline, snapshot: Snapshot, pushed: Sequence[Pushed]) -> tuple[Path, ...]:
    """Write what to do with the image; where the platform takes none on such a cluster, say why: the push stands."""
    try:
        files = release.deploy(pipeline, snapshot, pushed)
    except DeploymentRefused as refusal:
        pipeline.observer.warn(f"{refusal.message} {refusal.remedy}")
        return ()
    output.say(
        f"What to do with it: {files[0].parent / 'README.md'}, with cluster.json, Terraform and a bundle beside it."
    )
    return files


def build_every(
    output: Output, config_file: Path | None, *, shown: str, frozen: bool, dry_run: bool, **options: Any
) -> None:
    """Every mirror of dbmirror.toml: their files side by side, their images in one bake, each verified."""
    with (
        output.observing() as observer,
        AllMirrors(
            load_config(config_file),
            choices=choices_of(**options),
            observer=observer,
            questions=questions(output),
            dry_run=dry_run,
        ) as mirrors,
    ):
        prepared = mirrors.prepare(frozen=frozen)
        outcomes = prepared if dry_run else mirrors.build(prepared)
    output.document({"mirrors": {name: _outcome_document(outcome) for name, outcome in outcomes.items()}})
    errors: dict[str, DbmirrorError] = {}
    for name, outcome in outcomes.items():
        output.show(Text(f"\n{name}", style="bold underline"))
        if isinstance(outcome, FailedMirror):
            errors[name] = outcome.error
            output.show(Text(str(outcome.error), style="red"))
            continue
        if isinstance(outcome, BuiltMirror):
            output.show(tables.fates(as_built(outcome.lock, outcome.report), shown))
            output.show(tables.verification(outcome.report))
            output.show(Text(outcome.built.tags[0], style="bold"))
            if not outcome.report.passed:
                errors[name] = ImageRefuted(f"{outcome.built.tags[0]} did not pass verification.")
        else:
            output.show(tables.fates(outcome.lock, shown))
    if errors:
        first = next(iter(errors.values()))
        raise SomeMirrorsFailed(
            f"{len(errors)} of {len(outcomes)} mirrors failed: {', '.join(errors)}.",
            remedy="What stands above under their names says why; the others are done.",
            exit_code=first.exit_code,
        )


def _outcome_document(outcome: BuiltMirror | PreparedMirror | FailedMirror) -> dict[str, Any]:
    if isinstance(outcome, FailedMirror):
        error = outcome.error
        return {"error": {"message": error.message, "remedy": error.remedy, "exit_code": error.exit_code}}
    document = lock_document(outcome.lock, outcome.report if isinstance(outcome, BuiltMirror) else None)
    if isinstance(outcome, BuiltMirror):
        document |= {
            "image": {"tag": outcome.built.tags[0], "id": outcome.built.image_id},
            "verification": report_document(outcome.report),
        }
    return document
