"""diff, check: what two places have in common, and whether a cluster has drifted from its committed snapshot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dbmirror.cli.options import command, config_option, driver_options, mirror_argument, timeout_option
from dbmirror.errors import DifferenceFound

if TYPE_CHECKING:
    from dbmirror.cli.output import Output
    from dbmirror.inventory.model import Inventory
    from dbmirror.pipeline.compared_places import Place


class Drifted(DifferenceFound):
    """The cluster is no longer what the committed snapshot says."""


@click.command("diff")
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@config_option
@driver_options
@timeout_option
@click.option(
    "--show",
    "shown",
    type=click.Choice(["all", "same", "diff"]),
    default="diff",
    show_default=True,
    help="Which rows to print.",
)
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(["python", "r", "debian", "jars", "facts"]),
    help="Compare this alone; can be given again. Else all that both places can have in common.",
)
@command
def diff_command(
    output: Output, a: str, b: str, config_file: Path | None, shown: str, only: tuple[str, ...], **options: Any
) -> None:
    """Compare the packages of two places, by what an import gets in each. Exit code 1 if they differ.

    What one of them cannot know is not compared: of this environment, a lock or a requirements file the Python packages
    count, of an renv.lock those of R.

    \b
    A and B are each one of:
      snapshot:MIRROR    the mirror's snapshot          cluster:MIRROR   the cluster as it is now
      image:MIRROR       the image built last           image:REFERENCE  any image of the engine
      lock:MIRROR        what the lock installs         FILE             a list of packages: a requirements
                                                                         file, pip list --format json, conda
                                                                         env export, renv.lock, a snapshot
      environment        the Python that is on PATH
    \b
    Examples:
      dbmirror diff lock:demo environment
      dbmirror diff cluster:demo image:demo --only python --show all
      dbmirror diff requirements.txt snapshot:demo
    """
    from dbmirror.cli import mirror_tables
    from dbmirror.cli.session import opened
    from dbmirror.inventory.compare import compare
    from dbmirror.pipeline.compared_places import compared_sections, parse_place, read_place, read_places

    places = (parse_place(a), parse_place(b))
    notebooks = {}

    def read(place: Place, python: str | None) -> Inventory:
        with opened(output, place.mirror, config_file, **options) as mirror:
            notebooks[place] = mirror.section.notebook_environment
            return read_place(place, mirror, python)

    inventories = read_places(places, read)
    sections = compared_sections(places, inventories, only)
    differences = compare(
        *inventories, notebook_environment_a=notebooks[places[0]], notebook_environment_b=notebooks[places[1]]
    )
    output.document({"a": a, "b": b, "sections": {name: getattr(differences, name) for name in sections}})
    output.show(mirror_tables.differences(differences, a, b, shown=shown, sections=sections))
    if any(not getattr(differences, name).is_equal for name in sections):
        raise DifferenceFound(f"{a} and {b} differ.")


@click.command("check")
@mirror_argument
@config_option
@driver_options
@timeout_option
@command
def check_command(output: Output, name: str, config_file: Path | None, **options: Any) -> None:
    """Has the cluster drifted from the committed snapshot? Exit code 1 with the difference if it has. Writes nothing.

    \b
    Example:
      dbmirror check demo
    """
    from dbmirror.cli import mirror_tables
    from dbmirror.cli.layout import table
    from dbmirror.cli.session import opened
    from dbmirror.inventory.compare import compare
    from dbmirror.pipeline.compared_places import SECTIONS, cluster_changes
    from dbmirror.pipeline.snapshot_stage import read_cluster

    with opened(output, name, config_file, **options) as mirror:
        committed = mirror.snapshot()
        present = read_cluster(mirror)
        notebook = mirror.section.notebook_environment
    differences = compare(
        committed.inventory, present.inventory, notebook_environment_a=notebook, notebook_environment_b=notebook
    )
    changes = cluster_changes(committed.cluster, present.cluster)
    drifted = committed.digest != present.digest
    output.document(
        {
            "mirror": name,
            "drifted": drifted,
            "committed": committed.digest,
            "present": present.digest,
            "cluster": [{"fact": name, "committed": old, "present": new} for name, old, new in changes],
            "sections": {name: getattr(differences, name) for name in SECTIONS},
        }
    )
    if not drifted:
        output.show(f"The cluster is what the snapshot of {committed.taken.at} says ({committed.short_digest}).")
        return
    if changes:
        output.show(table("FACT", "SNAPSHOT", "CLUSTER", rows=changes, title="The cluster's configuration"))
    output.show(mirror_tables.differences(differences, "snapshot", "cluster", shown="diff", sections=SECTIONS))
    raise Drifted(
        f"The cluster has drifted from the snapshot of {committed.taken.at}.",
        remedy=f"Take it as it is now with 'dbmirror build {name}', and commit the folder.",
    )
