"""What the tunnel's ssh runs as its ProxyCommand: it connects to the bridge and hands ssh the socket (ProxyUseFdpass).

Run by its path, without this package: `python3 -I -S bridge_client.py FOLDER HOST`.
"""

from __future__ import annotations

import array
import json
import os
import socket
import sys

MACHINE = "host.docker.internal"
"""The user's machine, where its containers cannot share a Unix socket with it."""
DOOR = "door.json"
"""Written by the bridge: its token, and its port or null for the Unix socket beside it."""
SOCKET = "socket"
MISSING = "dbmirror: the bridge is not there: "
"""How the line begins that ssh's stderr has where no bridge answers."""
SECONDS = 5.0
_LARGEST = 4096


def open_bridge(folder: str, order: str) -> socket.socket:
    """A connection to the bridge, which was given `order`. Raises OSError or ValueError where there is none."""
    with open(os.path.join(folder, DOOR), encoding="utf-8") as stream:  # noqa: PTH118, PTH123 - starts in half the time
        door = json.loads(stream.read(_LARGEST))
    if not isinstance(door, dict) or not isinstance(door.get("token"), str):
        raise ValueError("its door is damaged")  # noqa: TRY004 - one kind for every damage
    port = door.get("port")
    if port is None:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(SECONDS)
        connection.connect(os.path.join(folder, SOCKET))  # noqa: PTH118
    else:
        connection = socket.create_connection((MACHINE, int(port)), SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(f"{door['token']} {order}\n".encode())
    connection.settimeout(None)
    return connection


def main(folder: str, host: str) -> int:
    """Hand a connection to `host` through the bridge to the ssh at the other end of stdout."""
    try:
        connection = open_bridge(folder, f"connect {host}")
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{MISSING}{getattr(error, 'strerror', None) or error}\n")
        return 1
    with connection, socket.socket(fileno=os.dup(1)) as ssh:
        ssh.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [connection.fileno()]))])
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
