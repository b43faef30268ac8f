"""Options that several commands share, each written once."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from dbmirror.cli import interruption
from dbmirror.errors import DbmirrorError, UsageError

if TYPE_CHECKING:
    from dbmirror.cli.output import Output
    from dbmirror.pipeline.mirror_names import Named

Command = Callable[..., Any]


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Give `function` an Output as its first argument, `--json`, and the edge where errors become messages.

    Whatever the function raises as a DbmirrorError is printed once and ends the process with its exit code. What it
    needs of the other rooms it imports itself: a help page does without them.
    """

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout instead of tables.")
    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        from dbmirror.cli.output import Output

        as_json = bool(kwargs.pop("as_json"))
        path = click.get_current_context().command_path.split()[1:]
        output = Output(" ".join(path), as_json=as_json)
        try:
            function(output, *args, **kwargs)
            output.flush()
        except DbmirrorError as error:
            _end(output, error)
        except OSError as error:
            from dbmirror.cli.unwritable import as_unwritable

            unwritable = as_unwritable(error)
            if unwritable is None:
                raise
            _end(output, unwritable)
        except (KeyboardInterrupt, RuntimeError) as error:
            if not interruption.caused(error):
                raise
            output.say(interruption.message())
            raise SystemExit(interruption.exit_code()) from None

    return wrapped


_DERIVED = "dbmirror.derived"
"""Where a command's context keeps the mirror whose name was derived of a profile's."""


class MirrorName(click.ParamType[str]):
    """A mirror by its own name or its profile's, of whatever form that is."""

    name = "mirror"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The mirror's name; where it is derived, the command says so once it runs."""
        from dbmirror.pipeline.mirror_names import name_mirror

        try:
            named = name_mirror(value)
        except DbmirrorError as error:
            raise click.UsageError(str(error), ctx) from None
        if ctx is not None and named.is_derived:
            ctx.meta[_DERIVED] = named
        return named.mirror


def derived_mirror() -> Named | None:
    """The mirror that this command was called for by a profile of another name."""
    context = click.get_current_context(silent=True)
    found: Named | None = context.meta.get(_DERIVED) if context is not None else None
    return found


def _end(output: Output, error: DbmirrorError) -> NoReturn:
    output.error(error)
    with suppress(UsageError):
        output.flush()
    raise SystemExit(error.exit_code) from error


mirror_argument = click.argument("name", metavar="MIRROR", type=MirrorName())
optional_mirror_argument = click.argument("name", metavar="MIRROR", type=MirrorName(), required=False)


def config_option(function: Command) -> Command:
    """`--config FILE`."""
    return click.option(
        "--config",
        "config_file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Configuration file; else dbmirror.toml of this folder or one above it.",
    )(function)


def dry_run_option(function: Command) -> Command:
    """`--dry-run`."""
    return click.option("--dry-run", is_flag=True, help="Say what would be done, and write nothing.")(function)


def fates_option(function: Command) -> Command:
    """`--fates changed|exceptions|all|none`."""
    return click.option(
        "--fates",
        "shown",
        type=click.Choice(["changed", "exceptions", "all", "none"]),
        default="changed",
        show_default=True,
        help="Which rows of the fate table to print: by default the exceptions that are new since the last lock. The "
        "counts are always of all packages.",
    )(function)


def driver_options(function: Command) -> Command:
    """What commands take that read the driver: `--via` and the options of `ssh_options`."""
    function = click.option(
        "--via",
        type=click.Choice(["ssh", "api"]),
        help="How to read the driver: by SSH, or by commands that the workspace runs there. Else by the first that "
        "works.",
    )(function)
    return ssh_options(function)


def ssh_options(function: Command) -> Command:
    """`--cluster`, `--start`, `--accept-host-key`, `--known-hosts`."""
    function = click.option(
        "--known-hosts",
        type=click.Path(path_type=Path, dir_okay=False, exists=True),
        help="Also trust the host keys in this file, under the cluster's id; it is not written.",
    )(function)
    function = click.option("--start", "start_cluster", is_flag=True, help="Start the cluster if it is terminated.")(
        function
    )
    function = click.option(
        "--accept-host-key",
        is_flag=True,
        help="Pin the driver's host key at first contact without asking. A changed key is still refused.",
    )(function)
    return cluster_option(function)


def cluster_option(function: Command) -> Command:
    """`--cluster NAME|ID`."""
    return click.option(
        "--cluster",
        metavar="NAME|ID",
        help="The cluster to mirror; else dbmirror.toml's, the profile's, or the only one. Later snapshots stay with "
        "it.",
    )(function)


def source_options(function: Command) -> Command:
    """`--from FILE` and `--runtime NAME`: where a snapshot is made of, if not of a cluster."""
    function = click.option(
        "--runtime",
        metavar="NAME",
        help="Take the packages of this Databricks Runtime (17.3, 15.4-ml, 16.4.x-scala2.12) and read no cluster; with "
        "--from, the runtime that the list is of.",
    )(function)
    return click.option(
        "--from",
        "source",
        metavar="FILE",
        type=click.Path(path_type=Path, dir_okay=False, exists=True),
        help="Take the packages of this file and read no cluster: a requirements file, pip freeze, pip list --format "
        "json, conda env export, renv.lock, another mirror's snapshot.json, or what a cell (--cell) showed.",
    )(function)


def timeout_option(function: Command) -> Command:
    """`--timeout SECONDS`."""
    return click.option(
        "--timeout",
        type=click.FloatRange(min=0),
        metavar="SECONDS",
        default=1200.0,
        show_default=True,
        help="How long to wait for libraries that the cluster is still installing.",
    )(function)


def switch_option(function: Command) -> Command:
    """`--switch-cluster`."""
    return click.option(
        "--switch-cluster",
        is_flag=True,
        help="Let the mirror be one of another cluster from now on than its snapshot is of.",
    )(function)


def trust_option(function: Command) -> Command:
    """`--trust NAME`, and its variable."""
    return click.option(
        "--trust",
        multiple=True,
        metavar="NAME",
        envvar="DBMIRROR_TRUST",
        show_envvar=True,
        help="Use this base image, apt repository or lock (named by its digest) though it came with the repository; "
        "can be given again.",
    )(function)


def lock_options(function: Command) -> Command:
    """What shapes the lock: the filter, the base, the index's certificate authorities."""
    for option in reversed(
        (
            click.option(
                "--whitelist", is_flag=True, help="Mirror only what the whitelist keeps, and what that requires."
            ),
            click.option("--base", help="Base image; else the official one of the cluster's runtime."),
            trust_option,
            click.option(
                "--ca-bundle",
                type=click.Path(path_type=Path, dir_okay=False, exists=True),
                help="PEM file of certificate authorities; else SSL_CERT_FILE, REQUESTS_CA_BUNDLE or PIP_CERT.",
            ),
            click.option(
                "--flavour",
                type=click.Choice(["python", "r", "python-r"]),
                help="What notebooks of the image are written in; else what the cluster has.",
            ),
            click.option("--refresh", is_flag=True, help="Ask the index again for packages that are locked already."),
            click.option("--no-capture", is_flag=True, help="Do not pack private wheels from the driver's files."),
        )
    ):
        function = option(function)
    return function


def push_options(function: Command) -> Command:
    """How a push is made: `--password-stdin`, `--allow-unverified`, `--replace-tag`, `--move-tag`."""
    for option in reversed(
        (
            click.option("--password-stdin", is_flag=True, help="Read the registry's password from stdin."),
            click.option(
                "--allow-unverified", is_flag=True, help="Push an image that did not pass; the record says so."
            ),
            click.option(
                "--replace-tag", is_flag=True, help="Let the image's own tag name it where it names another image."
            ),
            click.option(
                "--move-tag", is_flag=True, help="Let a tag of 'also_tag' move that names an image of somebody else."
            ),
        )
    ):
        function = option(function)
    return function


def read_password(wanted: bool) -> str | None:
    """The password on stdin, without its line's end; None where it is not asked for. Raises UsageError if empty."""
    if not wanted:
        return None
    password = sys.stdin.read().rstrip("\r\n")
    if not password:
        raise UsageError("There is no password on stdin.", remedy="Pipe it in: --password-stdin < FILE.")
    return password
