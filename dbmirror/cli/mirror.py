"""snapshot, lock, render, verify: the stages of a mirror, each alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
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
)
from dbmirror.cli.output import Output
from dbmirror.config import load_config
from dbmirror.errors import DifferenceFound
from dbmirror.filters.flavour import Flavour
from dbmirror.hosts.known_hosts import Fingerprint
from dbmirror.lock.mirror_lock import MirrorLock
from dbmirror.lock.r.renv import fate_rows
from dbmirror.pipeline.line import Choices, Pipeline, Questions
from dbmirror.temporary import clear_left_behind
from dbmirror.verify.model import Report
from dbmirror.verify.r import as_built
from dbmirror.workspace.clusters import ClusterState


class ImageRefuted(DifferenceFound):
    """The image is not what the lock says, or does not keep the contract."""


def choices_of(
    *,
    start_cluster: bool = False,
    accept_host_key: bool = False,
    known_hosts: Path | None = None,
    whitelist: bool = False,
    base: str | None = None,
    ca_bundle: Path | None = None,
    refresh: bool = False,
    no_capture: bool = False,
    flavour: str | None = None,
    keep_going: bool = False,
) -> Choices:
    """A command's options, by the names that click gives them, as the pipeline's choices."""
    return Choices(
        start_cluster=start_cluster,
        accept_host_key=accept_host_key,
        known_hosts=known_hosts,
        whitelist=whitelist,
        base=base,
        ca_bundle=ca_bundle,
        refresh=refresh,
        capture=not no_capture,
        flavour=Flavour(flavour) if flavour else None,
        keep_going=keep_going,
    )


@contextmanager
def opened(
    output: Output, mirror: str, config_file: Path | None, *, dry_run: bool = False, **options: Any
) -> Iterator[Pipeline]:
    """The pipeline of `mirror`, with its progress shown, for a command's options (see `choices_of`)."""
    choices, loaded = choices_of(**options), load_config(config_file)
    clear_left_behind()
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
    if not options["dry_run"]:
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
    output.document({"mirror": mirror, **lock_document(lock)})
    output.show(tables.fates(lock, shown))
    if not options["dry_run"]:
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
        lock = pipeline.lock()
        context = pipeline.render(lock)
    output.document({"mirror": mirror, "folder": pipeline.context_folder, "files": sorted(context.files)})
    output.show("\n".join(str(pipeline.context_folder / name) for name in context.files))


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
    output.document({"mirror": mirror, "image": {"tag": built.tags[0]}, "verification": report_document(report)})
    output.show(tables.verification(report))
    if not report.passed:
        raise ImageRefuted(
            f"{built.tags[0]} is not what the cluster has, or breaks the contract: see the rows above.",
            remedy=f"The whole report is {pipeline.folder / 'verification.json'}.",
        )


def lock_document(lock: MirrorLock, report: Report | None = None) -> dict[str, Any]:
    """A lock as the commands' JSON documents hold it, with the fates as the image of `report` turned out."""
    turned = as_built(lock, report) if report is not None else lock
    return {
        "snapshot": lock.snapshot,
        "lock": lock.digest,
        "flavour": lock.flavour,
        "counts": {kind.value: count for kind, count in turned.counts().items()},
        "fates": turned.python.fates,
        "r_fates": fate_rows(turned.r) if turned.r is not None else (),
    }


def report_document(report: Report) -> dict[str, Any]:
    """A report as the commands' JSON documents hold it."""
    return {"passed": report.passed, "report": report}
