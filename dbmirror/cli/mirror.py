"""snapshot, lock, render, build, verify: the stages of a mirror, alone and all in a row."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from dbmirror.cli import tables
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
from dbmirror.errors import DifferenceFound
from dbmirror.hosts.known_hosts import Fingerprint
from dbmirror.lock.files import lock_digest
from dbmirror.lock.model import Lock
from dbmirror.pipeline import Choices, Pipeline, Questions
from dbmirror.publication import Pushed
from dbmirror.render.deployment import DeploymentRefused
from dbmirror.snapshot import Snapshot
from dbmirror.verify.model import Report
from dbmirror.workspace.clusters import ClusterState


class ImageRefuted(DifferenceFound):
    """The image is not what the lock says, or does not keep the contract."""


@contextmanager
def opened(
    output: Output,
    mirror: str,
    config_file: Path | None,
    *,
    start_cluster: bool = False,
    accept_host_key: bool = False,
    whitelist: bool = False,
    base: str | None = None,
    ca_bundle: Path | None = None,
    refresh: bool = False,
    no_capture: bool = False,
    dry_run: bool = False,
) -> Iterator[Pipeline]:
    """The pipeline of `mirror`, with its progress shown, for a command's options."""
    choices = Choices(
        start_cluster=start_cluster,
        accept_host_key=accept_host_key,
        whitelist=whitelist,
        base=base,
        ca_bundle=ca_bundle,
        refresh=refresh,
        capture=not no_capture,
    )
    loaded = load_config(config_file)
    with (
        output.observing() as observer,
        Pipeline(mirror, loaded, choices=choices, observer=observer, questions=questions(output)) as pipeline,
    ):
        if not dry_run:
            yield pipeline
            return
        with pipeline.rehearsal():
            yield pipeline
    output.say("Nothing was written: this was a dry run.")


def questions(output: Output) -> Questions:
    """Asks where somebody can answer; where nobody can, there are no questions."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return Questions()

    def host_key(fingerprint: Fingerprint) -> bool:
        output.say(f"First contact with {fingerprint.name} at {fingerprint.address}. Its host key is:")
        output.say(f"    {fingerprint}")
        return output.confirm("Is that the driver's key?")

    def start(state: ClusterState) -> bool:
        return output.confirm(f"{state.cluster.cluster_name} is {state.state.lower()}. Start it?")

    return Questions(host_key=host_key, start=start)


@click.command("snapshot", short_help="Read what is installed on the cluster.")
@mirror_argument
@config_option
@driver_options
@dry_run_option
@command
def snapshot_command(output: Output, mirror: str, config_file: Path | None, **options: Any) -> None:
    """Read the cluster: what is installed on its driver, by one SSH connection that changes nothing there.

    \b
    Example:
      dbmirror snapshot demo
    """
    with opened(output, mirror, config_file, **options) as pipeline:
        snapshot = pipeline.take_snapshot()
    place = pipeline.folder / "snapshot.json"
    output.document({"mirror": mirror, "digest": snapshot.digest, "file": place, "cluster": snapshot.cluster})
    output.show(tables.snapshot(snapshot))
    output.say(f"The snapshot is {place}.")


@click.command("lock", short_help="Find every package's source; show the fates.")
@mirror_argument
@config_option
@driver_options
@lock_options
@fates_option
@dry_run_option
@command
def lock_command(output: Output, mirror: str, config_file: Path | None, shown: str, **options: Any) -> None:
    """Find the source of every package of the snapshot, and say what becomes of each: the fate table.

    \b
    Example:
      dbmirror lock demo --fates all
    """
    with opened(output, mirror, config_file, **options) as pipeline:
        lock = pipeline.make_lock(pipeline.snapshot())
    output.document({"mirror": mirror, **_lock_document(lock)})
    output.show(tables.fates(lock, shown))
    output.say(f"The lock is {pipeline.folder / 'pylock.toml'}, the whole table fates.json beside it.")


@click.command("render", short_help="Write the Dockerfile and all that it reads.")
@mirror_argument
@config_option
@dry_run_option
@command
def render_command(output: Output, mirror: str, config_file: Path | None, dry_run: bool) -> None:
    """Write the Dockerfile and all that it reads, from the mirror's lock: the same lock gives the same bytes.

    \b
    Example:
      dbmirror render demo
    """
    with opened(output, mirror, config_file, dry_run=dry_run) as pipeline:
        context = pipeline.render(pipeline.lock())
    output.document({"mirror": mirror, "folder": pipeline.context_folder, "files": sorted(context.files)})
    output.show("\n".join(str(pipeline.context_folder / name) for name in context.files))


@click.command("build", short_help="Turn a running cluster into a verified image.")
@mirror_argument
@config_option
@driver_options
@lock_options
@fates_option
@click.option(
    "--push", "targets", multiple=True, metavar="NAME", help="Push to this registry afterwards; can be given again."
)
@push_options
@click.option("--sbom", is_flag=True, help="Write a CycloneDX bill of materials, sbom.cdx.json, with the fates.")
@click.option("--frozen", is_flag=True, help="Build from the mirror's files alone: no workspace, no SSH, no new lock.")
@dry_run_option
@command
def build_command(
    output: Output,
    mirror: str,
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
    """
    # No engine, an unknown registry, a wrong password: better said now than after minutes of work.
    facts()
    password = read_password(password_stdin)
    began = time.monotonic()
    with opened(output, mirror, config_file, dry_run=dry_run, **options) as pipeline:
        destinations = pipeline.destinations(targets, password=password)
        snapshot = pipeline.snapshot() if frozen else pipeline.take_snapshot()
        lock = pipeline.lock() if frozen else pipeline.make_lock(snapshot)
        if dry_run:
            output.document({"mirror": mirror, **_lock_document(lock)})
            output.show(tables.fates(lock, shown))
            return
        pipeline.render(lock)
        built, result = pipeline.build(lock)
        report = pipeline.verify(built, lock, snapshot)
        pushed: tuple[Pushed, ...] = ()
        deployment: tuple[Path, ...] = ()
        if destinations and (report.passed or allow_unverified):
            pushed = pipeline.push(built, destinations, allow_unverified=allow_unverified, replace=replace_tag)
            deployment = deploy(output, pipeline, snapshot, pushed)
        bill = pipeline.write_sbom(built, lock, snapshot, pushed) if sbom else None
    tag = built.tags[0]
    output.document(
        {
            "mirror": mirror,
            "image": {"tag": tag, "id": built.image_id},
            "build": {"seconds": round(result.seconds, 1), "steps": result.steps, "cached": result.cached_steps},
            **_lock_document(lock),
            "verification": _report_document(report),
            "pushed": pushed,
            "deployment": deployment,
            "sbom": bill,
        }
    )
    output.show(tables.fates(lock, shown))
    output.show(tables.verification(report))
    output.show(
        f"[bold]{tag}[/]  built in {result.seconds:.1f} s ({result.cached_steps} of {result.steps} steps cached)"
    )
    if pushed:
        output.show(tables.pushed(pushed))
    output.say(f"Done in {time.monotonic() - began:.1f} s. All files are in {pipeline.folder}; commit them.")
    if not report.passed:
        raise ImageRefuted(
            f"{tag} was built, but it is not what the cluster has, or breaks the contract: see the rows above.",
            remedy=f"The whole report is {pipeline.folder / 'verification.json'}. A push refuses this image.",
        )
    output.say(f"Next: docker run --rm -it {tag} /databricks/python3/bin/python")


@click.command("verify", short_help="Hold the image against lock and contract.")
@mirror_argument
@config_option
@command
def verify_command(output: Output, mirror: str, config_file: Path | None) -> None:
    """Hold the image that was built last against its lock and against the Container Services contract.

    \b
    Example:
      dbmirror verify demo
    """
    with opened(output, mirror, config_file) as pipeline:
        built = pipeline.built()
        report = pipeline.verify(built, pipeline.lock(), pipeline.snapshot(), again=True)
    output.document({"mirror": mirror, "image": {"tag": built.tags[0]}, "verification": _report_document(report)})
    output.show(tables.verification(report))
    if not report.passed:
        raise ImageRefuted(
            f"{built.tags[0]} is not what the cluster has, or breaks the contract: see the rows above.",
            remedy=f"The whole report is {pipeline.folder / 'verification.json'}.",
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
        destinations = pipeline.destinations(targets, password=password)
        pushed: tuple[Pushed, ...] = ()
        if not dry_run:
            pushed = pipeline.push(built, destinations, allow_unverified=allow_unverified, replace=replace_tag)
        deployment = deploy(output, pipeline, pipeline.snapshot(), pushed) if pushed else ()
    image = {"tag": built.tags[0], "id": built.image_id}
    output.document({"mirror": mirror, "image": image, "pushed": pushed, "deployment": deployment})
    if pushed:
        output.show(tables.pushed(pushed))


def deploy(output: Output, pipeline: Pipeline, snapshot: Snapshot, pushed: Sequence[Pushed]) -> tuple[Path, ...]:
    """Write what to do with the image; where the platform takes none on such a cluster, say why: the push stands."""
    try:
        files = pipeline.deploy(snapshot, pushed, pipeline.report())
    except DeploymentRefused as refusal:
        pipeline.observer.warn(f"{refusal.message} {refusal.remedy}")
        return ()
    output.say(
        f"What to do with it: {files[0].parent / 'README.md'}, with cluster.json, Terraform and a bundle beside it."
    )
    return files


def _lock_document(lock: Lock) -> dict[str, Any]:
    return {
        "snapshot": lock.snapshot,
        "lock": lock_digest(lock),
        "counts": {kind.value: count for kind, count in lock.counts().items()},
        "fates": lock.fates,
    }


def _report_document(report: Report) -> dict[str, Any]:
    return {"passed": report.passed, "report": report}
