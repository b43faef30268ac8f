"""Where a host is and how it is reached: the user's ssh config, read as OpenSSH reads it and never written.

Where this machine has an OpenSSH client, that client reads it (`ssh -G`). Elsewhere paramiko.SSHConfig does. It knows
no environment variables in values, but for the agent's and the certificate's, of which it takes one each; a `Match`
with a criterion that it does not know never holds.
"""

from __future__ import annotations

import getpass
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbmirror.folders import ssh_key_of
from dbmirror.hosts import openssh, ssh_include
from dbmirror.hosts.driver import DRIVER_PORT, DRIVER_USER
from dbmirror.hosts.ssh_errors import SshConfigInvalid

SYSTEM_CONFIG = Path("/etc/ssh/ssh_config")
_MOST_JUMPS = 16
PROXY_SECONDS = 120.0
"""How long a ProxyCommand may take: the Databricks CLI's starts a server on the driver first."""

Settings = Mapping[str, Any]
"""Names in lower case; `identityfile` and `certificatefile` are lists, all other values text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SshTarget:
    """A host to connect to. What is given here beats the ssh config, which beats the defaults of a driver."""

    host: str
    """An alias of the ssh config, a host name or an address."""
    label: str | None = None
    """What messages call it, for example `driver of demo`; None for the host itself."""
    port: int | None = None
    """None for the ssh config's, else 2200."""
    user: str | None = None
    """None for the ssh config's, else `ubuntu`."""
    identity_files: tuple[Path, ...] = ()
    """The only private keys to offer; none for the ssh config's, else `~/.ssh/id_<profile>`, else the agent's."""
    profile: str | None = None
    """The Databricks profile whose key `~/.ssh/id_<profile>` is offered, where nothing else says which."""
    host_key_alias: str | None = None
    """What the host key is pinned under: the cluster's id."""
    config_file: Path | None = None
    """Another ssh config, read alone as with `ssh -F`; None for the user's and then the system's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One connection on the way to a target; the last hop is the target itself."""

    host: str
    """A name or address that the hop before it (this machine for the first) can connect to."""
    port: int
    user: str
    name: str
    """What its host key is kept under."""
    identity_files: tuple[Path, ...]
    """Private keys to offer first, of which some may be missing unless `identities_only` and `explicit`."""
    explicit: bool
    """The identity files were named for this connection: each must be usable."""
    identities_only: bool
    """No other key is offered than the identity files'."""
    certificate_files: tuple[Path, ...] = ()
    """Certificates of keys, beside those that lie beside the identity files."""
    identity_agent: str | None = None
    """The socket of the key agent, or `none`; None for the one that SSH_AUTH_SOCK names."""
    proxy_command: str | None = None
    """A command whose stdin and stdout are the connection; only on the first hop."""
    known_hosts: tuple[Path, ...] = ()
    """The user's known_hosts files that a jump host's key must stand in; none for dbmirror's own."""
    accept_new: bool = False
    """The user's ssh config accepts an unknown key of this jump host."""

    @property
    def address(self) -> str:
        """`host:port`, as messages show it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Route:
    """All hops to a target, in the order in which they are connected."""

    hops: tuple[Hop, ...]
    connect_timeout: float | None
    """Seconds, where the ssh config says so for the target."""

    @property
    def proxied(self) -> bool:
        """A ProxyCommand leads to the first hop."""
        return self.hops[0].proxy_command is not None

    def seconds(self, otherwise: float) -> float:
        """How long the connection may take: the ssh config's word, else what a ProxyCommand may take, `otherwise`."""
        return self.connect_timeout or (PROXY_SECONDS if self.proxied else otherwise)


def find_route(target: SshTarget) -> Route:
    """How `target` is reached. Raises SshConfigInvalid where the ssh config is damaged or its jumps have no end."""
    # They may come from a cluster's description or a clone, and end up in a ProxyCommand, which a shell runs.
    if not re.fullmatch(r"[A-Za-z0-9_:][A-Za-z0-9._:%-]*", target.host):
        raise SshConfigInvalid(f"{target.host!r} cannot be the name or address of a host.")
    if target.user is not None and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._@+-]*", target.user):
        raise SshConfigInvalid(f"{target.user!r} cannot be the name of a user.")
    if target.host_key_alias is not None and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", target.host_key_alias):
        raise SshConfigInvalid(f"{target.host_key_alias!r} cannot be the name of a host's key.")
    files = (target.config_file,) if target.config_file else (Path.home() / ".ssh" / "config", SYSTEM_CONFIG)
    given = {"Port": target.port, "User": target.user, "HostKeyAlias": target.host_key_alias}
    found = _look_up(
        files,
        target.host,
        first={name: value for name, value in given.items() if value is not None},
        last={"Port": DRIVER_PORT, "User": DRIVER_USER},
    )
    keys, explicit = _identity_files(target, found)
    hops, command = _way_to(found, files, depth=0)
    last = Hop(
        host=found["hostname"],
        port=_port(found),
        user=found["user"],
        name=_name(found),
        identity_files=keys,
        explicit=explicit,
        identities_only=explicit or _says_yes(found, "identitiesonly"),
        certificate_files=_paths(found.get("certificatefile", ())),
        identity_agent=_agent(found),
        proxy_command=command,
    )
    seconds = found.get("connecttimeout", "")
    return Route(hops=(*hops, last), connect_timeout=float(seconds) if seconds.isdigit() and int(seconds) else None)


def _look_up(
    files: tuple[Path, ...], alias: str, *, first: Mapping[str, object], last: Mapping[str, object]
) -> Settings:
    """What the `files` say of `alias`; `first` beats them, and they beat `last`. Raises SshConfigInvalid."""
    ssh = openssh.program()
    if ssh is not None:
        return openssh.ask_openssh(ssh, files, alias, first=first, last=last)
    return ssh_include.parse(files, alias, first=first, last=last)


def _identity_files(target: SshTarget, found: Settings) -> tuple[tuple[Path, ...], bool]:
    """The private keys to offer, and whether they are the only ones."""
    if target.identity_files:
        return target.identity_files, True
    if found.get("identityfile"):
        return _paths(found["identityfile"]), False
    own = ssh_key_of(target.profile or "")
    return ((own,), True) if target.profile and own.is_file() else ((), False)


def _way_to(found: Settings, files: tuple[Path, ...], *, depth: int) -> tuple[tuple[Hop, ...], str | None]:
    """The jumps before a host, and the ProxyCommand to it: of the two the one that the ssh config sets first."""
    for setting, value in found.items():
        if setting == "proxycommand":
            return (), None if value is None or value.lower() == "none" else value
        # Beside `ProxyJump none` a ProxyCommand holds, wherever it stands.
        if setting == "proxyjump" and value.lower() != "none":
            return _jumps(value, files, depth=depth), None
    return (), None


def _jumps(value: str, files: tuple[Path, ...], *, depth: int) -> tuple[Hop, ...]:
    if depth >= _MOST_JUMPS:
        raise SshConfigInvalid(
            f"The jumps of the ssh config have no end (ProxyJump {value}).",
            remedy="Set 'ProxyJump none' in the block of the first jump host.",
        )
    hops: list[Hop] = []
    for text in value.split(","):
        user, host, port = _parse_jump(text.strip())
        given = {"Port": port, "User": user}
        found = _look_up(
            files,
            host,
            first={name: value for name, value in given.items() if value is not None},
            last={"Port": 22, "User": getpass.getuser()},
        )
        before, command = ((), None) if hops else _way_to(found, files, depth=depth + 1)
        hops += before
        hops.append(
            Hop(
                host=found["hostname"],
                port=_port(found),
                user=found["user"],
                name=_name(found),
                identity_files=_paths(found.get("identityfile", ())),
                explicit=False,
                identities_only=_says_yes(found, "identitiesonly"),
                certificate_files=_paths(found.get("certificatefile", ())),
                identity_agent=_agent(found),
                proxy_command=command,
                known_hosts=_known_hosts_files(found),
                accept_new=found.get("stricthostkeychecking", "ask").lower() in {"accept-new", "no", "off"},
            )
        )
    return tuple(hops)


def _parse_jump(text: str) -> tuple[str | None, str, int | None]:
    """User, host and port of `[user@]host[:port]`, where an IPv6 address stands in brackets."""
    match = re.fullmatch(r"(?:ssh://)?(?:(.+)@)?(?:\[([^\]]+)\]|([^:\[\]]+))(?::(\d+))?/?", text)
    if match is None:
        raise SshConfigInvalid(f"ProxyJump names {text!r}, which is no [user@]host[:port].")
    user, bracketed, plain, port = match.groups()
    return user, bracketed or plain, int(port) if port else None


def _known_hosts_files(found: Settings) -> tuple[Path, ...]:
    own = found.get("userknownhostsfile", "~/.ssh/known_hosts ~/.ssh/known_hosts2")
    system = found.get("globalknownhostsfile", "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2")
    return tuple(Path(name).expanduser() for name in (*shlex.split(own), *shlex.split(system)) if name != "none")


def _paths(names: Iterable[str]) -> tuple[Path, ...]:
    return tuple(Path(name.strip('"')).expanduser() for name in names if name.lower() != "none")


def _agent(found: Settings) -> str | None:
    chosen = found.get("identityagent")
    return None if chosen in {None, "SSH_AUTH_SOCK"} else chosen


def _name(found: Settings) -> str:
    """What the host's key is kept under, in OpenSSH's spelling."""
    host, port = found["hostname"], _port(found)
    return found.get("hostkeyalias") or (host if port == 22 else f"[{host}]:{port}")


def _port(found: Settings) -> int:
    value: str = found["port"]
    if not (value.isdigit() and 0 < int(value) < 65536):
        raise SshConfigInvalid(f"The ssh config sets Port {value!r}, which is none.")
    return int(value)


def _says_yes(found: Settings, setting: str) -> bool:
    return found.get(setting, "no").lower() in {"yes", "true"}
