"""The ssh config that the tunnel's client reads, and no other: the way to the driver, hop by hop."""

from __future__ import annotations

import os
from pathlib import Path

from .bridge import proxy_options
from .settings import Settings

DRIVER = "driver"
"""What the driver is called in the config, and so on ssh's command line."""
CONNECT_SECONDS = 5
"""How long a hop may take to answer: one behind others has this much more, so that the first to fail says why."""


def client_config(settings: Settings, host: str) -> str:
    """The config for a driver at `host`. It names the keys' files, and holds no secret.

    OpenSSH runs a client of its own for each jump host, with this same file and nothing of the command line: what must
    hold for all of them stands under `Host *`. Hosts, users and ports are of the form that the settings let through:
    none holds a space, a quote or a `%`.
    """
    options = {
        "BatchMode": "yes",
        "ForwardAgent": "no",
        "GlobalKnownHostsFile": "/dev/null",
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        # Beyond errors ssh would print the servers' greetings among what it says itself.
        "LogLevel": "ERROR",
        "PreferredAuthentications": "publickey",
        # A dead line is noticed after 15 s; the probe asks whether the driver behind a live one still answers.
        "ServerAliveCountMax": "3",
        "ServerAliveInterval": "5",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "UserKnownHostsFile": f'"{settings.known_hosts}"',
    }
    jumps = settings.jumps
    # One of the two: of ProxyJump and ProxyCommand the first that ssh reads holds.
    direct = {"ProxyJump": "none"}
    first = direct if settings.bridge_seconds is None else proxy_options(settings, host)
    through = settings.bridge_seconds or 0
    blocks = [
        _block(
            jump.name,
            {
                **_login(jump.host, jump.port, jump.user, jump.key if _is_given(jump.key) else settings.key),
                "HostKeyAlias": jump.name,
                "ConnectTimeout": str(through + CONNECT_SECONDS * place),
                **(first if place == 1 else direct),
            },
        )
        for place, jump in enumerate(jumps, 1)
    ]
    blocks.append(
        _block(
            DRIVER,
            {
                **_login(host, settings.port, settings.user, settings.key),
                "HostKeyAlias": settings.cluster,
                "ConnectTimeout": str(through + CONNECT_SECONDS * (len(jumps) + 1)),
                "ControlPersist": "no",
                "ExitOnForwardFailure": "yes",
                "StreamLocalBindMask": "0177",
                "StreamLocalBindUnlink": "yes",
                **({"ProxyJump": ",".join(jump.name for jump in jumps)} if jumps else first),
            },
        )
    )
    return "\n".join([*blocks, _block("*", options)])


def write_client_config(settings: Settings, host: str) -> None:
    """Put the config where ssh reads it, for this user alone."""
    settings.client_config.unlink(missing_ok=True)
    descriptor = os.open(settings.client_config, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(client_config(settings, host))


def _login(host: str, port: int, user: str, key: Path) -> dict[str, str]:
    return {"HostName": host, "Port": str(port), "User": user, "IdentityFile": f'"{key}"'}


def _is_given(key: Path) -> bool:
    return key.is_file() and key.stat().st_size > 0


def _block(name: str, options: dict[str, str]) -> str:
    return "".join([f"Host {name}\n", *(f"  {option} {value}\n" for option, value in options.items())])
