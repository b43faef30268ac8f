"""Which ports of this machine a lab publishes: JupyterLab's, and one for each forward to the driver."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Final

LAB_PORT: Final = 8888
"""JupyterLab's in its container, and the one of this machine that is tried first."""


def choose_ports(known: Mapping[str, str], forwards: tuple[int, ...], *, running: bool) -> dict[str, str]:
    """A port of 127.0.0.1 for JupyterLab and one for each forward, as variables of the environment file.

    The `known` ones stay while the lab is `running` or they are free; else the next free one is taken.
    """
    wanted = {"DBMIRROR_LAB_PORT": LAB_PORT, **{f"DBMIRROR_PORT_{port}": port for port in forwards}}
    chosen: dict[str, str] = {}
    for name, first in wanted.items():
        port = int(known[name]) if known.get(name, "").isdigit() else first
        if not running:
            while str(port) in chosen.values() or not _free(port):
                port = port + 1 if port < 65535 else 1024
        chosen[name] = str(port)
    return chosen


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
