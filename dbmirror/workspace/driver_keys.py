"""A driver's public host keys, read on the driver itself."""

from __future__ import annotations

from typing import Final

from dbmirror.hosts.host_key import HostKey, parse_public_key
from dbmirror.hosts.interface import Host

_READ: Final = 'cat /etc/ssh/ssh_host_*_key.pub; ssh-keyscan -T 3 -p "$1" 127.0.0.1'
"""The files are where OpenSSH has them; what its server shows on the driver itself is right wherever they are."""
_LARGEST: Final = 64 << 10
_MOST: Final = 40


def read_driver_keys(host: Host, *, port: int) -> tuple[HostKey, ...]:
    """The public keys of the driver that `host` is, whose SSH server listens at `port`. Raises HostError."""
    done = host.run(["sh", "-c", _READ, "dbmirror", str(port)], timeout=30, limit=_LARGEST)
    found: list[HostKey] = []
    for line in done.stdout.decode(errors="replace").splitlines()[:_MOST]:
        # A line of ssh-keyscan begins with the address.
        for words in (line, line.partition(" ")[2]):
            if (key := parse_public_key(words)) is not None:
                found.append(key)
    return tuple(dict.fromkeys(found))
