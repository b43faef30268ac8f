"""What goes wrong between dbmirror and Docker: the base of this room's errors."""

from __future__ import annotations

from typing import Final

from dbmirror.errors import DockerError

MAKE_ROOM: Final = (
    "See what takes the space with 'docker system df'. 'docker image prune --filter label=io.dbmirror.mirror' removes "
    "dbmirror's images that no longer have a name. 'docker buildx prune --filter until=168h' clears the build cache of "
    "all your projects, but for what a build used in the last week."
)
"""What helps where the disk is full. The engine has one build cache for all projects: a message that names a command
for it says so."""


class EngineError(DockerError):
    """The engine, its command line or one of its plugins is missing, unreachable or failed."""
