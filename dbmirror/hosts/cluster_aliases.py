"""Hosts of the user's ssh config whose ProxyCommand names a cluster, as `databricks ssh setup` makes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from dbmirror.hosts.ssh_config import SYSTEM_CONFIG, SshTarget, find_route
from dbmirror.hosts.ssh_errors import SshConfigInvalid
from dbmirror.hosts.ssh_files import directives

_MOST: Final = 16
"""Hosts that are looked at for one cluster; each takes a call of ssh."""


def proxied_hosts() -> tuple[tuple[str, str], ...]:
    """The hosts that the user's ssh config names in full and that have a ProxyCommand, each with it as it is written.

    Nothing of it is run. None for a config that OpenSSH refuses: what is wrong with it is said where it is used.
    """
    try:
        return tuple(found for file in (Path.home() / ".ssh" / "config", SYSTEM_CONFIG) for found in _hosts(file))
    except SshConfigInvalid:
        return ()


def alias_of(cluster_id: str, hosts: Iterable[tuple[str, str]]) -> str | None:
    """The first of `hosts` that is reached with a ProxyCommand that names this cluster; None where there is none.

    OpenSSH is asked what holds for the host, which runs its `Match exec`.
    """
    named = re.compile(rf"(?<![\w.-]){re.escape(cluster_id)}(?![\w.-])")
    candidates = [alias for alias, command in hosts if named.search(command)][:_MOST]
    return next((alias for alias in candidates if named.search(_proxy_command(alias))), None)


def _hosts(file: Path) -> Iterator[tuple[str, str]]:
    """Each host that a Host line names in full, with each ProxyCommand below it."""
    names: list[str] = []
    for keyword, *values in directives(file):
        if keyword == "host":
            names = [name for name in values if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name)]
        elif keyword == "match":
            names = []
        elif keyword == "proxycommand":
            yield from ((name, " ".join(values)) for name in names)


def _proxy_command(alias: str) -> str:
    """The ProxyCommand that holds for `alias`; empty where there is none."""
    try:
        return find_route(SshTarget(host=alias)).hops[-1].proxy_command or ""
    except SshConfigInvalid:
        return ""
