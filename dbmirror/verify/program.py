"""The programs that run inside the image under test, as they are sent."""

from __future__ import annotations

from importlib.resources import files


def sent(name: str) -> bytes:
    """The content of `name` in verify/sent."""
    return files("dbmirror.verify.sent").joinpath(name).read_bytes()
