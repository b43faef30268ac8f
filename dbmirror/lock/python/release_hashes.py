"""The files of one release on the package indexes of this machine."""

from __future__ import annotations

from dbmirror.ca_bundle import find_ca_bundle
from dbmirror.config import IndexConfig
from dbmirror.errors import UsageError
from dbmirror.lock.python.index import Index
from dbmirror.lock.python.index_settings import Choice, find_indexes


def published_hashes(name: str, version: str, config: IndexConfig) -> tuple[str, ...]:
    """SHA-256 of each file of `name` at `version`, of the indexes that decide about it.

    Raises UsageError where none has, IndexUnreachable where one could not be asked.
    """
    settings = find_indexes(config)
    with Index(settings, ca_bundle=find_ca_bundle(config.ca_bundle)) as index:
        for group in settings.groups_for(name):
            pages = [index.project(location, name) for location in group.indexes if location.folder is None]
            known = [page for page in pages if page is not None]
            if group.choice is Choice.FIRST_INDEX:
                del known[1:]
            found = {file.digests.get("sha256", "") for page in known for file in page if file.version == version}
            if found - {""}:
                return tuple(sorted(found - {""}))
            if known:
                break
    asked = ", ".join(location.host for location in settings.indexes)
    raise UsageError(
        f"{name} {version} is on no package index of this machine (asked: {asked}).",
        remedy="Name another source in [ci] of dbmirror.toml: a committed wheel, or a git commit.",
    )
