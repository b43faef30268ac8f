"""Keeps credentials out of messages and logs."""

from __future__ import annotations

import re

_USER_INFORMATION = re.compile(r"(?<=://)[^/\s'\"]+@")


def without_credentials(text: str) -> str:
    """`text` with `***` for the user and password of every URL in it: what may reach a message or a log."""
    return _USER_INFORMATION.sub("***@", text)
