"""What this machine needs for the main job: what is there, what is missing, and the command that mends it."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dbmirror.ca_bundle import find_ca_bundle
from dbmirror.config import LoadedConfig
from dbmirror.engine.compose import OLDEST_COMPOSE, require_compose
from dbmirror.engine.docker import OLDEST_BUILDX, client, facts, require_buildx
from dbmirror.engine.errors import MAKE_ROOM
from dbmirror.errors import DbmirrorError
from dbmirror.hosts import inspections
from dbmirror.lock.python.index import Index
from dbmirror.lock.python.index_settings import find_indexes
from dbmirror.mirror_folder.staged import left_staged
from dbmirror.processes import temporary
from dbmirror.workspace.profile_file import list_profiles

_LITTLE = 10 * 1024**3
"""Bytes. A runtime's image and its build cache take some 6 GB (measured with the 134 packages of 15.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    needed: bool
    """Without it the main job fails; otherwise only what `found` says."""
    found: str
    remedy: str = ""
    otherwise: str = "missing"
    """What it is called where it is not well."""


def examine(loaded: LoadedConfig) -> Iterator[Check]:
    """Every check, one after the other, each as soon as it is made. Nothing is changed on this machine."""
    yield Check(name="python", ok=True, needed=True, found=f"{sys.version.split()[0]} ({sys.executable})")
    yield _try("docker", True, _docker)
    yield _try("buildx", True, _buildx)
    yield _try("compose", False, _compose)
    yield _try("disk", False, _disk)
    yield _try("ca bundle", False, lambda: str(find_ca_bundle(loaded.config.index.ca_bundle) or "the system's own"))
    yield _try("index", True, lambda: _index(loaded))
    yield _program("git", "packages that the cluster has from git are captured from the driver instead")
    yield _profiles()
    yield _try("left behind", False, lambda: left_behind_by_killed_runs(loaded))


def _try(name: str, needed: bool, look: Callable[[], str]) -> Check:
    try:
        return Check(name=name, ok=True, needed=needed, found=look())
    except DbmirrorError as error:
        return Check(name=name, ok=False, needed=needed, found=error.message, remedy=error.remedy)


def _docker() -> str:
    engine = facts()
    return f"Engine {engine.version} on {engine.operating_system} ({engine.architecture}, {engine.storage_driver})"


def _buildx() -> str:
    version = facts().buildx
    require_buildx(version)
    return f"{version} (at least {'.'.join(map(str, OLDEST_BUILDX))})"


def _compose() -> str:
    require_compose()
    return f"{facts().compose} (at least {'.'.join(map(str, OLDEST_COMPOSE))}), for the lab"


def _disk() -> str:
    free = facts().free_bytes
    if free is None:
        return "the engine's folder is not on this machine"
    if free < _LITTLE:
        raise DbmirrorError(f"{free / 1e9:.1f} GB are free where Docker keeps its images.", remedy=MAKE_ROOM)
    return f"{free / 1e9:.0f} GB free where Docker keeps its images"


def _index(loaded: LoadedConfig) -> str:
    settings = find_indexes(loaded.config.index)
    with Index(settings, ca_bundle=find_ca_bundle(loaded.config.index.ca_bundle)) as index:
        for location in settings.indexes:
            if location.folder is None:
                index.project(location, "pip")
    return ", ".join(f"{location.host} ({location.origin})" for location in settings.indexes)


def left_behind_by_killed_runs(loaded: LoadedConfig) -> str:
    """What killed runs left; the engine is asked only where it answers, which is a check of its own."""
    found = [*map(str, temporary.left_behind()), *map(str, _half_written(loaded))]
    with contextlib.suppress(DbmirrorError), contextlib.closing(client()) as connected:
        found += [f"container {name}" for name in inspections.left_behind(connected)]
    if found:
        raise DbmirrorError(
            f"Left by a run that was killed: {', '.join(found)}.",
            remedy="The next command on a mirror clears it away.",
        )
    return "nothing"


def _half_written(loaded: LoadedConfig) -> tuple[Path, ...]:
    """What killed runs left in the folder of all mirrors; none where that is no plain folder, which others say."""
    with contextlib.suppress(DbmirrorError):
        return left_staged(loaded.mirror_folder("mirror").parent)
    return ()


def _program(name: str, otherwise: str) -> Check:
    found = shutil.which(name)
    if found:
        return Check(name=name, ok=True, needed=False, found=found)
    return Check(
        name=name, ok=False, needed=False, found=f"not installed: {otherwise}", remedy=f"apt-get install {name}"
    )


def _profiles() -> Check:
    found = list_profiles()
    names = ", ".join(profile.name for profile in found)
    if found:
        return Check(name="profiles", ok=True, needed=False, found=names)
    remedy = "databricks auth login --profile NAME, or: dbmirror sandbox up"
    return Check(name="profiles", ok=False, needed=False, found=f"none in {Path('~/.databrickscfg')}", remedy=remedy)
