"""lab up, down, status, url, logs, shell, sync: JupyterLab in the mirror, with a tunnel to the driver."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dbmirror.cli import interruption
from dbmirror.cli.options import command, config_option, driver_options, dry_run_option, mirror_argument, trust_option
from dbmirror.errors import UsageError

if TYPE_CHECKING:
    from dbmirror.cli.output import Output

_SHOWN = 40
"""How many files a dry run of `sync` shows."""


@click.group("lab")
def lab_group() -> None:
    """JupyterLab in the mirrored environment on this machine, with a tunnel to the cluster's driver.

    Plain 'docker compose up' in the mirror's folder starts the same stack.
    """


@lab_group.command("up")
@mirror_argument
@config_option
@driver_options
@click.option("--build", "agreed", is_flag=True, help="Build what is missing of the image first, without a question.")
@trust_option
@dry_run_option
@command
def lab_up_command(
    output: Output,
    name: str,
    config_file: Path | None,
    agreed: bool,
    dry_run: bool,
    **options: Any,
) -> None:
    """Build and start the lab, wait until JupyterLab answers, and print its URL. A lab that runs is brought up to date.

    The lab is made of the mirror's image. Where there is none yet, it is built first, after a question.

    The URL holds the lab's token: whoever has it and can reach this machine's 127.0.0.1 is in.

    \b
    Example:
      dbmirror lab up demo
    """
    from rich.text import Text

    from dbmirror.cli import status_tables
    from dbmirror.cli.json_documents import lab_document
    from dbmirror.cli.session import opened
    from dbmirror.lab import status as lab_status
    from dbmirror.pipeline import stages
    from dbmirror.pipeline.lab_lock import make_lab_lock

    _ensure_image(output, name, config_file, agreed=agreed, dry_run=dry_run, **options)
    with opened(output, name, config_file, dry_run=dry_run, **options) as mirror:
        lock = mirror.lock()
        if dry_run:
            files = stages.render_lab(mirror, lock, make_lab_lock(mirror, lock))
            output.document({"mirror": name, "images": [files.tunnel_image, files.lab_image]})
        else:
            found = stages.start_lab(mirror, lock)
            address = lab_status.url(mirror.lab)
    if dry_run:
        output.show(f"Would build {files.tunnel_image} and {files.lab_image}, and start the lab of {name}.")
        return
    output.document({"lab": lab_document(found), "url": address})
    output.show(status_tables.lab(found))
    output.show(Text(address))
    if found.tunnel is None or found.tunnel.get("state") != "connected":
        output.say("The lab is of use without the driver; the tunnel goes on trying.")


def _ensure_image(
    output: Output, name: str, config_file: Path | None, *, agreed: bool, dry_run: bool, **options: Any
) -> None:
    """Build the image that the lab is made of, where there is none, if the user wants that. Raises UsageError."""
    from dbmirror.cli.build_results import show_outcome
    from dbmirror.cli.session import opened
    from dbmirror.pipeline.line import run_one, wanted_for_lab
    from dbmirror.pipeline.own_lock import require_own_lock

    with opened(output, name, config_file, **options) as mirror:
        wanted = wanted_for_lab(mirror)
        if wanted is None:
            return
        if not wanted.frozen:
            # Where there is no such profile, that is to be said before a question is asked.
            mirror.require_cluster_of_lab()
            _ = mirror.access.workspace
        source = "its lock" if wanted.frozen else "the cluster"
        asked = f"{name} has no image yet, which its lab is made of. Build it from {source} first?"
        if dry_run or not (agreed or output.confirm(asked)):
            raise UsageError(
                f"{name} has no image yet, which its lab is made of.",
                remedy=f"'dbmirror lab up {name} --build' builds it from {source} and starts the lab.",
            )
        if wanted.frozen:
            require_own_lock(mirror, mirror.lock())
        outcome = run_one(mirror, wanted)
    show_outcome(output, name, outcome, "changed")


@lab_group.command("down")
@mirror_argument
@config_option
@dry_run_option
@command
def lab_down_command(output: Output, name: str, config_file: Path | None, dry_run: bool) -> None:
    """Stop the lab. Notebooks, images and the token stay; kernels end, here and on the driver.

    \b
    Example:
      dbmirror lab down demo
    """
    from dbmirror.cli.session import opened
    from dbmirror.lab import stack as lab_stack
    from dbmirror.lab import status as lab_status

    with opened(output, name, config_file) as mirror:
        if dry_run:
            names = [service.container for service in lab_status.status(mirror.lab).services]
            output.document({"mirror": name, "containers": names})
            output.show(f"Would stop and remove: {', '.join(names) or 'nothing, the lab is down'}.")
            return
        lab_stack.down(mirror.lab)
    output.document({"lab": None})


@lab_group.command("status")
@mirror_argument
@config_option
@command
def lab_status_command(output: Output, name: str, config_file: Path | None) -> None:
    """Show how cluster, tunnel, JupyterLab and its kernels stand.

    \b
    Example:
      dbmirror lab status demo
    """
    from dbmirror.cli import status_tables
    from dbmirror.cli.json_documents import lab_document
    from dbmirror.cli.session import opened
    from dbmirror.lab import status as lab_status

    with opened(output, name, config_file) as mirror:
        found = lab_status.status(mirror.lab)
    output.document({"lab": lab_document(found)})
    output.show(status_tables.lab(found))


@lab_group.command("url")
@mirror_argument
@config_option
@click.option("--open", "opens", is_flag=True, help="Open it in the browser instead; no command line shows the token.")
@command
def lab_url_command(output: Output, name: str, config_file: Path | None, opens: bool) -> None:
    """Print JupyterLab's address with its token, which is a secret.

    \b
    Examples:
      dbmirror lab url demo
      dbmirror lab url demo --open
    """
    from dbmirror.cli.session import opened
    from dbmirror.lab import status as lab_status
    from dbmirror.lab.browser import open_lab

    with opened(output, name, config_file) as mirror:
        address = lab_status.url(mirror.lab)
        if opens:
            open_lab(mirror.lab)
    output.document({"mirror": name, "url": address})
    if not (output.as_json or opens):
        click.echo(address)


@lab_group.command("logs")
@mirror_argument
@click.argument("service", required=False, type=click.Choice(["lab", "tunnel", "engine", "bridge"]))
@config_option
@click.option("--follow", is_flag=True, help="Go on until Ctrl-C.")
@command
def lab_logs_command(output: Output, name: str, service: str | None, config_file: Path | None, follow: bool) -> None:
    """Print what the lab's containers wrote; `bridge` has what the ProxyCommand of your ssh config said.

    \b
    Examples:
      dbmirror lab logs demo
      dbmirror lab logs demo tunnel --follow
      dbmirror lab logs demo bridge
    """
    from dbmirror.cli.session import opened
    from dbmirror.engine import compose
    from dbmirror.lab import status as lab_status
    from dbmirror.lab.bridge.files import bridge_files, read_log
    from dbmirror.lab.paths import lab_paths

    with opened(output, name, config_file) as mirror:
        lab_status.status(mirror.lab)
        where = lab_paths(mirror.folder)
    project = where.project
    if service == "bridge":
        if follow:
            raise UsageError("The bridge's log cannot be followed.", remedy=f"dbmirror lab logs {name} tunnel --follow")
        kept = read_log(bridge_files(where))
        output.document({"mirror": name, "lines": kept})
        for line in kept:
            output.show(line)
        return
    if output.as_json:
        lines: list[str] = []
        compose.print_logs(project, service, on_line=lines.append)
        output.document({"mirror": name, "lines": lines})
        return
    try:
        compose.print_logs(project, service, follow=follow, on_line=output.show)
    except KeyboardInterrupt:
        # That is how to end it: there is nothing to say about it.
        raise SystemExit(interruption.exit_code()) from None


@lab_group.command("shell")
@mirror_argument
@config_option
@command
def lab_shell_command(output: Output, name: str, config_file: Path | None) -> None:
    """Open a shell in the lab's container, as the user that the notebooks run as.

    \b
    Example:
      dbmirror lab shell demo
    """
    from dbmirror.cli.session import opened
    from dbmirror.engine import compose
    from dbmirror.engine.compose_project import command as compose_command
    from dbmirror.lab import status as lab_status
    from dbmirror.lab.paths import lab_paths

    with opened(output, name, config_file) as mirror:
        lab_status.require_running(mirror.lab)
        project = lab_paths(mirror.folder).project
    if output.as_json:
        output.document({"mirror": name, "command": compose_command(project, "exec", "lab", "bash")})
        return
    raise SystemExit(compose.open_shell(project, "lab", "bash"))


@lab_group.command("sync")
@mirror_argument
@click.argument("source")
@click.argument("target")
@config_option
@dry_run_option
@command
def lab_sync_command(
    output: Output, name: str, source: str, target: str, config_file: Path | None, dry_run: bool
) -> None:
    """Copy a file or folder between the notebooks folder and the driver, over the tunnel's connection.

    The driver's side is written driver:PATH (absolute, or relative to the home folder), the other is relative to
    notebooks/. With rsync where both sides have it, else over SFTP. What is in a folder is added to a folder that is
    there; files that differ in size or time (whole seconds) are replaced, nothing is deleted, symbolic links are left
    out.

    \b
    Examples:
      dbmirror lab sync demo driver:/tmp/results results
      dbmirror lab sync demo data/prices.csv driver:/tmp/prices.csv
    """
    from rich.text import Text

    from dbmirror.cli.session import opened
    from dbmirror.foreign_text.characters import one_line
    from dbmirror.lab import sync as lab_sync

    with opened(output, name, config_file) as mirror:
        done = lab_sync.sync(mirror.lab, source, target, dry_run=dry_run)
    output.document({"mirror": name, "sync": done, "dry_run": dry_run})
    if dry_run:
        for file in done.names[:_SHOWN]:
            output.show(Text(one_line(file)))
        if done.files > _SHOWN:
            output.show(f"… and {done.files - _SHOWN} more")
    if done.left_out:
        shown = ", ".join(map(one_line, done.left_out[:5])) + (", …" if done.left_out_count > 5 else "")
        output.say(f"Left out, for being neither files nor folders (symbolic links, mostly): {shown}.")
    amount = f"{lab_sync.files_in_words(done.files)} ({lab_sync.size_in_words(done.size)})"
    verb = "Would copy" if dry_run else "Copied"
    what = amount if done.files else "nothing, all is there already,"
    output.say(f"{verb} {what} from {source} to {target} with {done.by}.")
