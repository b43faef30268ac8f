"""The files of one release on the package indexes of this machine."""

from __future__ import annotations

from dbmirror.ca_bundle import find_ca_bundle
from dbmirror.config import IndexConfig
from dbmirror.errors import UsageError
from dbmirror.lock.python.index import Index
from dbmirror.lock.python.index_settings import find_indexes


def published_hashes(name: str, version: str, config: IndexConfig) -> tuple[str, ...]:
    """SHA-256 of each file of `name` at `version`, of the first index that has it.

    Raises UsageError where none has, IndexUnreachable where one could not be asked.
    """
    settings = find_indexes(config)
    with Index(settings, ca_bundle=find_ca_bundle(config.ca_bundle)) as index:
        for location in settings.indexes:
            files = index.project(location, name) or ()
            found = {file.digests.get("sha256", "") for file in files if file.version == version}
            if any(found):
                return tuple(sorted(digest for digest in found if digest))
    asked = ", ".join(location.host for location in settings.indexes)
    raise UsageError(
        f"{name} {version} is on no package index of this machine (asked: {asked}).",
        remedy="Name another source in [ci] of dbmirror.toml: a committed wheel, or a git commit.",
    )
