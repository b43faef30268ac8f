"""filter show, explain: which rules there are, and which one decided."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dbmirror.cli.options import command, config_option, mirror_argument
from dbmirror.errors import UsageError

if TYPE_CHECKING:
    from dbmirror.cli.output import Output
    from dbmirror.filters.explain import Explanation
    from dbmirror.lock.fates import Fate
    from dbmirror.lock.mirror_lock import MirrorLock
    from dbmirror.pipeline.mirror import Mirror


@click.group("filter")
def filter_group() -> None:
    """The whitelist and the blacklist, which decide which packages are mirrored."""


@filter_group.command("show")
@click.argument("name", type=click.Choice(["whitelist", "blacklist"]), metavar="whitelist|blacklist")
@config_option
@command
def filter_show_command(output: Output, name: str, config_file: Path | None) -> None:
    """Show a list with the reason of every entry, your own entries of dbmirror.toml first.

    \b
    Example:
      dbmirror filter show blacklist
    """
    from dbmirror.cli.layout import table
    from dbmirror.config import load_config
    from dbmirror.filters.languages import python
    from dbmirror.filters.languages import r as r_names
    from dbmirror.filters.lists import load

    loaded = load_config(config_file)
    origin = str(loaded.origin or "")
    lists = {
        "Python": load(name, python.SPELLING, loaded.config.filters, origin=origin),
        "R": load(name, r_names.SPELLING, loaded.config.filters, origin=origin),
    }
    output.document({"list": name, "entries": lists["Python"].entries, "r_entries": lists["R"].entries})
    for language, shown in lists.items():
        rows = ((entry.pattern, entry.verdict.value, entry.reason, entry.origin) for entry in shown.entries)
        output.show(
            table("PACKAGE", "VERDICT", "REASON", "FROM", rows=rows, title=f"{language} packages", below=["REASON"])
        )


@click.command("explain")
@mirror_argument
@click.argument("package", required=False)
@config_option
@click.option("--whitelist", is_flag=True, help="Explain what the whitelist would decide.")
@click.option(
    "--imports", "of_imports", is_flag=True, help="Explain the imports that fail in the image as they should."
)
@command
def explain_command(
    output: Output, name: str, package: str | None, config_file: Path | None, whitelist: bool, of_imports: bool
) -> None:
    """Say all about one package of the snapshot: its rules, its copies, who requires it, and its fate.

    With --imports in place of PACKAGE: which imports fail in the image that was verified last without being a defect
    of it, as they need Spark, a display or what the cluster has not either.

    \b
    Examples:
      dbmirror explain demo numpy
      dbmirror explain demo --imports
    """
    if of_imports == (package is not None):
        raise UsageError(
            "Either a PACKAGE or --imports is needed.", remedy=f"For example: dbmirror explain {name} numpy"
        )
    if package is None:
        _explain_imports(output, name, config_file)
        return
    from dbmirror.cli import mirror_tables
    from dbmirror.cli.session import opened
    from dbmirror.lock.errors import LockError

    with opened(output, name, config_file, whitelist=whitelist) as mirror:
        language, explanation = _explain(mirror, package)
        try:
            lock = _turned_out(mirror, mirror.lock())
        except LockError:
            every: tuple[Fate, ...] = ()
        else:
            every = lock.python.fates if language == "Python" else lock.r.fates if lock.r else ()
        fates = tuple(fate for fate in every if fate.name == explanation.name)
    output.document({"mirror": name, "explanation": explanation, "fates": fates})
    output.show(mirror_tables.explanation(explanation, fates, language=language))


def _explain_imports(output: Output, name: str, config_file: Path | None) -> None:
    from dbmirror.cli import verification_tables
    from dbmirror.cli.session import opened

    with opened(output, name, config_file) as mirror:
        report = mirror.report()
    if report is None:
        raise UsageError("No image was verified here yet.", remedy=f"Verify it with 'dbmirror verify {name}'.")
    explained = [each for each in report.imports if each.error is not None and each.expected is not None]
    output.document({"mirror": name, "imports": explained})
    output.show(verification_tables.imports(explained))


def _turned_out(mirror: Mirror, lock: MirrorLock) -> MirrorLock:
    """`lock` as its image turned out, where that was verified: --keep-going may have left packages out."""
    from dbmirror.verify.errors import ReportError
    from dbmirror.verify.r_facts import as_built

    try:
        report = mirror.report()
    except ReportError:
        report = None
    return as_built(lock, report) if report is not None and report.lock == lock.digest else lock


def _explain(mirror: Mirror, package: str) -> tuple[str, Explanation]:
    """The Python package of that name, else the R package, with the name of its language."""
    from dbmirror.filters.errors import FilterError
    from dbmirror.pipeline.mirror_filters import explain_python, explain_r

    snapshot = mirror.snapshot()
    try:
        return "Python", explain_python(mirror, snapshot, package)
    except FilterError as error:
        try:
            return "R", explain_r(mirror, snapshot, package)
        except FilterError:
            raise error from None
