"""Refuses addresses of this machine and its network where a stranger names the address."""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
from collections.abc import Iterable
from queue import Empty, SimpleQueue
from urllib.parse import urlsplit

from dbmirror.http_client.refused import Cause, Refused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Origin = tuple[str, str, int]
"""Scheme, host and port."""

_PORTS = {"http": 80, "https": 443, "ssh": 22}
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_PLACE = re.compile(rf"({_LABEL}(\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]+\])(:[0-9]{{1,5}})?")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""Holds an IPv4 address in its last 32 bits (RFC 6052): a network with NAT64 reaches all of IPv4 so."""
_UNICAST = ipaddress.ip_network("2000::/3")
"""All of IPv6 that is given out so far; Python calls some of the rest global, too."""
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.88.99.0/24",  # relays of 6to4, which hide the address behind them (RFC 7526)
        "3fff::/20",  # examples (RFC 9637); older Pythons do not know them
    )
)
_METADATA = tuple(
    ipaddress.ip_address(address)
    for address in (
        "168.63.129.16",  # Azure's own services for a virtual machine, a public address
        "192.80.8.124",  # Equinix Metal's, a public address
        "100.100.100.200",  # Alibaba Cloud
        "192.0.0.192",  # Oracle Cloud
        "fd00:ec2::254",  # AWS
        "fd00:ec2::23",  # AWS's credentials for pods
        "fd20:ce::254",  # Google Cloud
        "fd00:42::42",  # Scaleway
    )
)
_INTERNAL = tuple(
    ipaddress.ip_network(network)
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)
"""What a company's own network uses (RFC 1918, RFC 6598, RFC 4193)."""


def origin_of(url: str) -> Origin:
    """Scheme, host and port. Raises Refused for all but http, https and ssh, and where two readers could differ."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Refused("has no usable form", cause=Cause.ADDRESS) from error
    place = parts.netloc.rpartition("@")[2]
    if parts.scheme not in _PORTS or not _PLACE.fullmatch(place) or len(place) > 253:
        raise Refused("has no usable form", cause=Cause.ADDRESS)
    return parts.scheme, (parts.hostname or "").rstrip("."), port or _PORTS[parts.scheme]


def is_loopback(host: str) -> bool:
    """Whether `host`, a name or an address without port, is this machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def lookup(host: str, port: int, *, seconds: float) -> tuple[str, ...]:
    """The addresses of `host`, in the order in which the system would try them.

    The system's resolver has no limit that a program could set: it is asked in a thread of its own.
    Raises OSError where there is none, and Refused where it takes longer than `seconds`.
    """
    answer: SimpleQueue[tuple[str, ...] | OSError] = SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            answer.put(error)
        except UnicodeError:
            answer.put(socket.gaierror(socket.EAI_NONAME, "no host name"))
        else:
            answer.put(tuple(dict.fromkeys(str(entry[4][0]) for entry in found)))

    threading.Thread(target=ask, daemon=True).start()
    try:
        result = answer.get(timeout=max(seconds, 0.001))
    except Empty:
        raise Refused(
            f"cannot be reached: its host name was not looked up within {seconds:.0f} s", cause=Cause.TIMEOUT
        ) from None
    if isinstance(result, OSError):
        raise result
    return result


def require_allowed(written: str, *, internal: bool = False) -> None:
    """Raise Refused unless the address is one that a stranger may make this machine ask.

    That is any address of the public internet; with `internal` those of a company's own network, too. Never an address
    of this machine's interfaces (Docker's gateways are among them), of its link, or of its cloud's metadata.
    """
    address = _plain(written)
    if address in _METADATA or address in own_addresses():
        raise _refusal(address, "which is for this machine alone")
    if address.is_multicast:
        raise _refusal(address, "which is a whole group of machines")
    if _is_public(address):
        return
    if not any(address in network for network in _INTERNAL):
        raise _refusal(address, "which is for this machine alone")
    if not internal:
        raise Refused(
            f"leads to {address}, which is inside a private network: 'internal_hosts' in the [index] section of "
            "dbmirror.toml would allow that host",
            cause=Cause.ADDRESS,
        )


def own_addresses() -> frozenset[Address]:
    """The addresses of this machine's interfaces, and the broadcast addresses of their networks."""
    import psutil  # noqa: PLC0415 - most commands never need it

    entries = [entry for entries in psutil.net_if_addrs().values() for entry in entries]
    return frozenset(_addresses(text for entry in entries for text in (entry.address, entry.broadcast) if text))


def _addresses(texts: Iterable[str]) -> Iterable[Address]:
    for text in texts:
        try:
            yield ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            continue  # a hardware address


def _plain(written: str) -> Address:
    """The address that is meant: of one that holds an IPv4 address and leads there, that one."""
    address = ipaddress.ip_address(written.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(address.packed[-4:])
    return address


def _is_public(address: Address) -> bool:
    """Whether it is an address of the internet. 6to4 and Teredo do not count: they hide the address behind them."""
    if any(address in network for network in _NOT_PUBLIC):
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global
    return address.is_global and address in _UNICAST and address.sixtofour is None and address.teredo is None


def _refusal(address: Address, why: str) -> Refused:
    return Refused(f"leads to {address}, {why}: dbmirror asks nothing there for a cluster", cause=Cause.ADDRESS)
