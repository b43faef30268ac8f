"""snapshot, lock, render, verify: the stages of a mirror, each alone."""

from __future__ import annotations

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
    mirror_argument,
    source_options,
    switch_option,
    timeout_option,
)
from dbmirror.errors import DifferenceFound

if TYPE_CHECKING:
    from dbmirror.cli.output import Output
    from dbmirror.verify.model import Report


class ImageRefuted(DifferenceFound):
    """The image is not what the lock says, or does not keep the contract."""


def refuted(report: Report, tag: str, *, mirror: str, folder: Path, then: str = "") -> ImageRefuted:
    """What is said of an image that did not pass; `then` is a sentence about what became of it."""
    from dbmirror.mirror_folder.names import VERIFICATION

    place = f"The whole report is {folder / VERIFICATION}."
    if report.matches and report.purpose == "cluster":
        return ImageRefuted(
            f"{tag} matches the cluster, but cannot boot under Container Services: "
            f"{', '.join(finding.rule for finding in report.boot_obstacles)} above.",
            remedy=f'If it is for the lab alone, say so in dbmirror.toml: for = "lab" in [mirrors.{mirror}]. {place} '
            f"{then}".rstrip(),
        )
    what = "holds what no image may" if report.matches else "is not what the cluster has"
    return ImageRefuted(f"{tag} {what}: see the rows above.", remedy=f"{place} {then}".rstrip())


@click.command("snapshot")
@mirror_argument
@config_option
@driver_options
@timeout_option
@source_options
@switch_option
@click.option("--cell", is_flag=True, help="Print a notebook cell that reads the cluster; --from reads what it shows.")
@dry_run_option
@command
def snapshot_command(output: Output, name: str, config_file: Path | None, cell: bool, **options: Any) -> None:
    """Read what is installed on the cluster, by SSH or by the workspace's API, and change nothing there.

    With --from or --runtime no cluster is read, and what such a source cannot know is marked unknown.

    \b
    Examples:
      dbmirror snapshot demo
      dbmirror snapshot demo --via api
      dbmirror snapshot demo --cell
      dbmirror snapshot reports --from requirements.txt --runtime 15.4
    """
    from dbmirror.cli.session import opened
    from dbmirror.cli.snapshot_table import snapshot_table
    from dbmirror.mirror_folder.names import SNAPSHOT
    from dbmirror.pipeline.snapshot_stage import take_snapshot

    if cell:
        from dbmirror.inventory.cell import notebook_cell

        text = notebook_cell(name)
        output.document({"mirror": name, "cell": text})
        output.say(f"Run it in a Python notebook on the cluster, then: dbmirror snapshot {name} --from FILE")
        output.show_as_it_is(text)
        return
    with opened(output, name, config_file, **options) as mirror:
        snapshot = take_snapshot(mirror)
    place = mirror.own_folder / SNAPSHOT
    output.document({"mirror": name, "digest": snapshot.digest, "file": place, "cluster": snapshot.cluster})
    output.show(snapshot_table(snapshot))
    if not options["dry_run"]:
        output.say(f"The snapshot is {place}.")


@click.command("lock")
@mirror_argument
@config_option
@driver_options
@lock_options
@fates_option
@dry_run_option
@command
def lock_command(output: Output, name: str, config_file: Path | None, shown: str, **options: Any) -> None:
    """Find every package's source; show the fates: what becomes of each package of the snapshot.

    \b
    Example:
      dbmirror lock demo --fates all
    """
    from dbmirror.cli import mirror_tables
    from dbmirror.cli.json_documents import lock_document
    from dbmirror.cli.session import opened
    from dbmirror.mirror_folder.names import FATES, PYLOCK
    from dbmirror.pipeline import stages

    with opened(output, name, config_file, **options) as mirror:
        before = stages.previous_lock(mirror)
        lock = stages.make_lock(mirror, mirror.snapshot())
    output.document({"mirror": name, **lock_document(lock)})
    output.show(mirror_tables.fates(lock, shown, before=before))
    if not options["dry_run"]:
        output.say(f"The lock is {mirror.own_folder / PYLOCK}, the whole table {FATES} beside it.")


@click.command("render")
@mirror_argument
@config_option
@dry_run_option
@command
def render_command(output: Output, name: str, config_file: Path | None, dry_run: bool) -> None:
    """Write the Dockerfile and all that it reads, from the mirror's lock: the same lock gives the same bytes.

    \b
    Example:
      dbmirror render demo
    """
    from dbmirror.cli.session import opened
    from dbmirror.mirror_folder.names import IMAGE
    from dbmirror.pipeline import stages

    with opened(output, name, config_file, dry_run=dry_run) as mirror:
        context = stages.render_files(mirror, mirror.lock())
    folder = mirror.own_folder / IMAGE
    output.document({"mirror": name, "folder": folder, "files": sorted(context.files)})
    output.show("\n".join(str(folder / name) for name in context.files))


@click.command("verify")
@mirror_argument
@config_option
@command
def verify_command(output: Output, name: str, config_file: Path | None) -> None:
    """Check the image against its lock and the contract of Container Services: the image that was built last.

    \b
    Example:
      dbmirror verify demo
    """
    from dbmirror.cli import verification_tables
    from dbmirror.cli.json_documents import report_document
    from dbmirror.cli.session import opened
    from dbmirror.pipeline import stages

    with opened(output, name, config_file) as mirror:
        built = mirror.built()
        report = stages.verify_image(mirror, built, mirror.lock(), mirror.snapshot(), again=True)
    output.document({"mirror": name, "image": {"tag": built.tags[0]}, "verification": report_document(report)})
    output.show(verification_tables.verification(report, mirror=name))
    if not report.passed:
        raise refuted(report, built.tags[0], mirror=name, folder=mirror.folder)
