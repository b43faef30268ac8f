"""What goes wrong between dbmirror and Docker: the base of this room's errors."""

from __future__ import annotations

from dbmirror.errors import DockerError


class EngineError(DockerError):
    """The engine, its command line or one of its plugins is missing, unreachable or failed."""
