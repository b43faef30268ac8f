"""What goes wrong between dbmirror and Docker: the base of this room's errors."""

from __future__ import annotations

import re

from dbmirror.errors import DockerError

_USER_INFORMATION = re.compile(r"(?<=://)[^/\s'\"]+@")


class EngineError(DockerError):
    """The engine, its command line or one of its plugins is missing, unreachable or failed."""


def without_credentials(text: str) -> str:
    """`text` with `***` for the user and password of every URL in it: what may reach a message or a log."""
    return _USER_INFORMATION.sub("***@", text)
