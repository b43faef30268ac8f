"""build: from a running cluster to a verified image, pushed if that is asked for."""

from __future__ import annotations

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
    optional_mirror_argument,
    push_options,
    read_password,
    source_options,
    switch_option,
    timeout_option,
)
from dbmirror.errors import UsageError

if TYPE_CHECKING:
    from dbmirror.cli.output import Output


@click.command("build")
@optional_mirror_argument
@click.option("--all", "every", is_flag=True, help="Build every mirror of dbmirror.toml, in parallel by one bake.")
@config_option
@driver_options
@timeout_option
@source_options
@switch_option
@lock_options
@fates_option
@click.option(
    "--push", "targets", multiple=True, metavar="NAME", help="Push to this registry afterwards; can be given again."
)
@push_options
@click.option("--keep-going", is_flag=True, help="Build without the R packages that do not compile.")
@click.option("--sbom", is_flag=True, help="Write a CycloneDX SBOM, sbom.cdx.json, with the fates.")
@click.option("--frozen", is_flag=True, help="Build from the mirror's files alone: no workspace, no SSH, no new lock.")
@dry_run_option
@command
def build_command(
    output: Output,
    name: str | None,
    every: bool,
    config_file: Path | None,
    shown: str,
    targets: tuple[str, ...],
    password_stdin: bool,
    allow_unverified: bool,
    replace_tag: bool,
    move_tag: bool,
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
      dbmirror build plain --runtime 17.3
      dbmirror build --all
    """
    from dbmirror.cli.build_results import build_every, build_one
    from dbmirror.engine.docker import facts

    if every == (name is not None):
        raise UsageError("Either a MIRROR or --all is needed.", remedy="For example: dbmirror build demo")
    _refuse_what_frozen_ignores(name, frozen, options)
    # No engine, an unknown registry, a wrong password: better said now than after minutes of work.
    facts()
    password = read_password(password_stdin)
    if name is None:
        if password_stdin or sbom or allow_unverified or replace_tag or move_tag or targets:
            raise UsageError(
                "--all builds and verifies; it does not push.",
                remedy="Push each mirror by its name afterwards, for example: dbmirror push demo acr",
            )
        if options["source"] or options["runtime"]:
            raise UsageError(
                "--from and --runtime make the snapshot of one mirror, and --all builds every one.",
                remedy="Name the mirror: dbmirror build NAME --runtime 17.3",
            )
        if options["cluster"] or options["switch_cluster"]:
            raise UsageError(
                "--cluster names the cluster of one mirror, and --all builds every one.",
                remedy="Name each mirror's cluster in its section of dbmirror.toml.",
            )
        build_every(output, config_file, shown=shown, frozen=frozen, dry_run=dry_run, **options)
        return
    build_one(
        output,
        name,
        config_file,
        targets=targets,
        password=password,
        shown=shown,
        wanted={
            "frozen": frozen,
            "allow_unverified": allow_unverified,
            "replace_tag": replace_tag,
            "move_tag": move_tag,
            "sbom": sbom,
        },
        dry_run=dry_run,
        **options,
    )


_NOT_FROZEN = (
    "whitelist",
    "base",
    "flavour",
    "refresh",
    "no_capture",
    "cluster",
    "switch_cluster",
    "source",
    "runtime",
)


def _refuse_what_frozen_ignores(name: str | None, frozen: bool, options: Mapping[str, Any]) -> None:
    """Raises UsageError where an option is given that shapes the lock, which --frozen takes as it is."""
    given = [each for each in _NOT_FROZEN if options.get(each)]
    if frozen and given:
        names = ", ".join("--from" if each == "source" else f"--{each.replace('_', '-')}" for each in given)
        raise UsageError(
            f"--frozen builds the lock as it is, and {names} would change it.",
            remedy="Leave out one of them. "
            + (f"'dbmirror lock {name}' makes the lock again from the committed snapshot." if name else ""),
        )
