"""The programs that are sent into the image under test."""

from __future__ import annotations

from importlib.resources import files


def sent(name: str) -> bytes:
    """The content of `name` in verify/sent."""
    return files("dbmirror.verify.sent").joinpath(name).read_bytes()
