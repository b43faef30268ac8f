"""The bridge, by which the user's machine runs the ProxyCommand of its ssh config, as the tunnel sees it."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

from . import bridge_client
from .settings import Settings

SAID = "said.json"
"""Written by the bridge: what the last ProxyCommand said on stderr."""
_LARGEST = 16384
_LONGEST = 600


def proxy_options(settings: Settings, host: str) -> dict[str, str]:
    """The options of ssh's config that connect the first hop on the way to the driver at `host`."""
    client = str(Path(bridge_client.__file__).resolve())
    words = (sys.executable or "/usr/bin/python3", "-I", "-S", client, str(settings.bridge), host)
    command = " ".join(shlex.quote(word) for word in words)
    return {"ProxyCommand": command.replace("%", "%%"), "ProxyUseFdpass": "yes"}


def said(settings: Settings) -> tuple[float, str]:
    """When the last ProxyCommand was started (seconds since 1970) and what it said last, on one line."""
    try:
        with (settings.bridge / SAID).open("rb") as stream:
            content = json.loads(stream.read(_LARGEST))
        at, lines = float(content["at"]), [str(line) for line in content["lines"]]
    except (OSError, ValueError, TypeError, KeyError):
        return 0.0, ""
    text = "".join(letter for letter in " | ".join(lines) if letter.isprintable())
    return at, text[-_LONGEST:]


def greet(settings: Settings) -> bool:
    """Tell the bridge that its tunnel runs; whether it is there. One that no tunnel needs ends by itself."""
    try:
        with bridge_client.open_bridge(str(settings.bridge), "hello") as connection:
            connection.settimeout(bridge_client.SECONDS)
            return connection.recv(16) == b"here\n"
    except (OSError, ValueError):
        return False
