"""ci: a pipeline that keeps a mirror up to date."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import click

from dbmirror import __version__
from dbmirror.cli.options import command, config_option, dry_run_option, mirror_argument
from dbmirror.errors import UsageError

if TYPE_CHECKING:
    from dbmirror.cli.output import Output
    from dbmirror.config import LoadedConfig
    from dbmirror.render.workflow_installation import Installation

_GIT_SECONDS = 30.0
"""For git to say where a repository begins: it reads a few small files."""
_GIT_PLACES = ("GIT_DIR", "GIT_WORK_TREE")
"""Variables by which git would answer for another repository; it sets them for its own hooks."""
_KINDS = ("github", "azure-pipelines", "gitlab")


@click.command("ci")
@click.argument("kind", type=click.Choice(_KINDS), metavar="|".join(_KINDS))
@mirror_argument
@config_option
@click.option("--push", "targets", multiple=True, metavar="NAME", help="Push to this registry; can be given again.")
@click.option("--force", is_flag=True, help="Write over a file that dbmirror did not write.")
@dry_run_option
@command
def ci_command(
    output: Output,
    kind: str,
    name: str,
    config_file: Path | None,
    targets: tuple[str, ...],
    force: bool,
    dry_run: bool,
) -> None:
    """Write a pipeline that keeps a mirror up to date: on a schedule it asks whether the cluster has drifted, and it
    builds, verifies and pushes what is committed. It holds no secret: it names those that the CI system must have.

    What it installs is pinned by hash in MIRROR's ci/requirements.txt, and the driver's host key in ci/known_hosts:
    run this again after the cluster was restarted. Where it installs dbmirror from stands in [ci] of dbmirror.toml.

    \b
    Example:
      dbmirror ci github demo --push acr
    """
    from dbmirror.config import load_config
    from dbmirror.mirror_folder.files import is_file_below, read_below, write_below
    from dbmirror.publish.registries.resolve import host_to_name, location_variable
    from dbmirror.render.workflow_installation import render_requirements
    from dbmirror.render.workflows import KNOWN_HOSTS, REQUIREMENTS, is_ours, render_workflow

    loaded = load_config(config_file)
    loaded.mirror(name)
    root, folder = _repository(loaded.root), loaded.mirror_folder(name)
    installation = _installation(loaded, root)
    trusted = _trusted(loaded, name)
    variables = {target: location_variable(target, loaded.config.registries) for target in targets}
    located_by = {target: variable for target, variable in variables.items() if variable is not None}
    named = {target: host_to_name(loaded.config.registries.get(target)) for target in targets}
    hosts = {target: host for target, host in named.items() if host is not None}
    workflow = render_workflow(
        kind,  # type: ignore[arg-type]  # click has checked it
        mirror=name,
        folder=_within(folder, root),
        installation=installation,
        push=targets,
        located_by=located_by,
        hosts=hosts,
        config_file=_within(loaded.origin, root) if loaded.origin else None,
        trusted=trusted,
    )
    path, place = root / workflow.path, str(workflow.path)
    # The root may be reached by a link of the user's; what lies below it was cloned.
    real = root.resolve()
    if is_file_below(real, place) and not is_ours(read_below(real, place)) and not force:
        raise UsageError(f"{path} was not written by dbmirror.", remedy="Move it away, or write over it with --force.")
    host_keys = _host_keys(folder)
    beside = {folder / REQUIREMENTS: render_requirements(installation), folder / KNOWN_HOSTS: host_keys}
    if not dry_run:
        write_below(
            real, {**{str(_within(file, root)): content for file, content in beside.items()}, place: workflow.content}
        )
    output.document(
        {
            "mirror": name,
            "file": path,
            "requirements": folder / REQUIREMENTS,
            "known_hosts": folder / KNOWN_HOSTS,
            "variables": workflow.variables,
            "secrets": workflow.secrets,
            "trusted": trusted,
            "written": not dry_run,
        }
    )
    for file in (path, *beside):
        output.show(f"{file} would be written." if dry_run else f"{file} is written; commit it.")
    output.show(f"Variables that it needs: {', '.join(workflow.variables) or 'none'}.")
    output.show(f"Secrets that it needs, from the CI system's own store: {', '.join(workflow.secrets) or 'none'}.")
    if trusted:
        output.show(f"It trusts what the repository names at this moment: {', '.join(trusted)}.")
    if not host_keys:
        output.show(
            f"No host key of the driver is pinned on this machine, so the pipeline trusts none yet: run "
            f"'dbmirror ssh test {name}', then this command again."
        )
    if kind == "gitlab":
        output.show(f"Include it in .gitlab-ci.yml (include: - local: /{workflow.path}), and add a pipeline schedule.")


def _installation(loaded: LoadedConfig, root: Path) -> Installation:
    """Where the pipeline installs dbmirror from, as `[ci]` says. Raises UsageError, or what the index raises."""
    from dbmirror.files import sha256_hex
    from dbmirror.lock.python.release_hashes import published_hashes
    from dbmirror.mirror_folder.files import read_below
    from dbmirror.render.workflow_installation import FromGit, FromIndex, FromWheel

    wanted = loaded.config.ci.dbmirror
    if wanted is None:
        raise UsageError(
            "Nothing says where a pipeline can install dbmirror from.",
            remedy='Add [ci] to dbmirror.toml with one of: dbmirror = "index", dbmirror = "tools/dbmirror-'
            f'{__version__}-py3-none-any.whl" (a wheel that is committed), dbmirror = "git+https://HOST/PATH@COMMIT".',
        )
    if wanted == "index":
        return FromIndex(__version__, published_hashes("dbmirror", __version__, loaded.config.index))
    if wanted.startswith("git+"):
        url, _, commit = wanted.removeprefix("git+").rpartition("@")
        return FromGit(url, commit)
    wheel = loaded.root / wanted
    if not wheel.is_file():
        raise UsageError(
            f"[ci] of dbmirror.toml names {wanted}, and there is no such file in {loaded.root}.",
            remedy="Build the wheel with 'python -m build --wheel' and commit it there.",
        )
    place = _within(wheel, root)
    # The wheel came with the repository: no link is followed, and it has an end.
    return FromWheel(place, sha256_hex(read_below(root.resolve(), str(place))))


def _trusted(loaded: LoadedConfig, name: str) -> tuple[str, ...]:
    """The base images and the apt repository that dbmirror.toml and the mirror's lock name."""
    from dbmirror.lock.mirror_lock import read_mirror_lock
    from dbmirror.mirror_folder.files import is_file_below
    from dbmirror.mirror_folder.names import PYLOCK
    from dbmirror.pipeline.foundations import trusted_names

    folder = loaded.mirror_folder(name)
    bases = [base] if (base := loaded.mirror(name).base) else []
    if is_file_below(folder, PYLOCK):
        bases.append(read_mirror_lock(folder).python.base.reference)
    return trusted_names(bases, loaded.r(name))


def _host_keys(folder: Path) -> bytes:
    """The lines of known_hosts for the mirror's cluster that are pinned on this machine; empty where none is."""
    from dbmirror.folders import known_hosts_file
    from dbmirror.hosts.known_hosts import KnownHosts
    from dbmirror.mirror_folder.files import is_file_below
    from dbmirror.mirror_folder.names import SNAPSHOT
    from dbmirror.snapshot import read_snapshot

    if not is_file_below(folder, SNAPSHOT):
        return b""
    cluster = read_snapshot(folder / SNAPSHOT).cluster.cluster_id
    return "".join(f"{cluster} {key}\n" for key in KnownHosts(known_hosts_file()).keys(cluster)).encode()


def _repository(folder: Path) -> Path:
    """The root of the git work tree that holds `folder`. Raises UsageError where there is none, or git refuses it.

    A neighbour can make a repository of /tmp: what is committed there, and what its hooks do, is theirs to say.
    """
    from dbmirror.clones.allowed_settings import repository_owner

    for place in (folder, *folder.parents):
        if not (place / ".git").exists():
            continue
        if (owner := repository_owner(place)) is not None and not _git_takes(place):
            raise UsageError(
                f"{place} is a git repository of another account (user number {owner}), and {folder} lies in it.",
                remedy=f"Make one of your own: git init {folder}. If that one is right, tell git so: "
                f"git config --global --add safe.directory {place}",
            )
        return place
    raise UsageError(
        f"{folder} is in no git repository, so no pipeline can build from it.", remedy="Make one: git init"
    )


def _git_takes(place: Path) -> bool:
    """Whether git works in the repository `place` although it is another user's: its `safe.directory` says so."""
    import os

    from dbmirror.processes.programs import ProcessFailed, capture

    environment = {name: value for name, value in os.environ.items() if name not in _GIT_PLACES}
    try:
        done = capture(
            ["git", "-C", str(place), "rev-parse", "--show-toplevel"], environment=environment, timeout=_GIT_SECONDS
        )
    except ProcessFailed:
        return False
    return done.code == 0 and Path(os.fsdecode(done.stdout.rstrip(b"\n"))) == place.resolve()


def _within(path: Path, root: Path) -> PurePosixPath:
    try:
        return PurePosixPath(path.absolute().relative_to(root.absolute()).as_posix())
    except ValueError:
        raise UsageError(
            f"{path} lies outside the repository {root}, so a pipeline cannot read it.",
            remedy="Move it into the repository.",
        ) from None
