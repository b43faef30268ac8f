"""Requests to addresses that a cluster names: not to this machine's own surroundings, and with none of its credentials.

What a cluster writes into direct_url.json or a DESCRIPTION is anyone's word who may install packages there. So it gets
no netrc entry, and no answer from loopback and link-local addresses, where this machine's own services and a cloud's
metadata are; also not through a name that leads there or a redirect. Private addresses stay open: companies keep
their packages there. What the user configured as an index or repository is trusted: its own scheme, host and port
may be anywhere and get the credentials that this machine has for it.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from requests.utils import get_netrc_auth, requote_uri
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import Retry

from dbmirror import __version__
from dbmirror.lock.python.index_settings import IndexLocation
from dbmirror.lock.python.project_page import Refused

REDIRECTS = 10
_PORTS = {"http": 80, "https": 443, "ssh": 22}
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_PLACE = re.compile(rf"({_LABEL}(\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]+\])(:[0-9]{{1,5}})?")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",  # leads to this machine, as does ::
        "168.63.129.16/32",  # Azure's own services for a virtual machine
        "fd00:ec2::254/128",  # the metadata of AWS by IPv6
        "fd20:ce::254/128",  # the metadata of Google Cloud by IPv6
    )
)


class ForeignClient:
    """Asks what a cluster names, as this module says; `trusted` are the indexes or repositories that the user named.

    `ca_bundle` is a PEM file of the authorities to trust; `retry` says what is tried again.
    """

    def __init__(
        self, trusted: Sequence[IndexLocation] = (), *, ca_bundle: Path | None = None, retry: Retry | None = None
    ) -> None:
        self.ca_bundle = ca_bundle
        self._trusted = {_origin(location.url): location for location in trusted}
        self._plain, self._careful = requests.Session(), requests.Session()
        for scheme in ("http://", "https://"):
            self._plain.mount(scheme, HTTPAdapter(max_retries=retry or 0))
            self._careful.mount(scheme, _CarefulAdapter(max_retries=retry or 0))

    def __enter__(self) -> ForeignClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._plain.close()
        self._careful.close()

    def trusts(self, url: str) -> bool:
        """Whether `url` is at the scheme, host and port of an index or repository that the user named.

        Over ssh the host alone decides. Raises Refused where it is no address with a plain host.
        """
        scheme, host, _ = _origin(url)
        if scheme == "ssh":
            return host in {host for _, host, _ in self._trusted}
        return _origin(url) in self._trusted

    def open(
        self, url: str, *, accept: str = "*/*", timeout: tuple[float, float], as_stored: bool = False
    ) -> requests.Response:
        """GET `url` and what it redirects to, step by step; the body is still to be read.

        `as_stored`: a file as the server has it, not compressed on the way.

        Raises Refused where a step leads where a cluster must not lead, and what requests raises.
        """
        for _ in range(REDIRECTS):
            parts = urlsplit(url)
            url = requote_uri(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl())
            response = self._step(url, accept=accept, timeout=timeout, as_stored=as_stored)
            target = self._plain.get_redirect_target(response)
            if target is None:
                return response
            response.close()
            url = urljoin(url, target)
        raise requests.TooManyRedirects("too many redirects")

    def addresses(self, url: str) -> tuple[str, ...]:
        """The addresses of the host of `url`, as this machine sees them; none where it cannot look them up.

        Raises Refused where one of them is not for a cluster to name.
        """
        _, host, port = _origin(url)
        try:
            found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
        except OSError:
            # Behind a proxy that may be so for every host of the internet; else the request itself says so.
            return ()
        for address in sorted(found):
            _require_foreign(address)
        return tuple(sorted(found))

    def _step(self, url: str, *, accept: str, timeout: tuple[float, float], as_stored: bool) -> requests.Response:
        location = self._trusted.get(_origin(url))
        if location is None:
            self.addresses(url)
            session, credentials = self._careful, None
        else:
            session, credentials = self._plain, location.credentials or get_netrc_auth(location.url)
        return session.get(
            url,
            headers={
                "Accept": accept,
                "User-Agent": f"dbmirror/{__version__}",
                **({"Accept-Encoding": "identity"} if as_stored else {}),
            },
            # Without an object here, requests would look into netrc by itself.
            auth=HTTPBasicAuth(*credentials) if credentials else lambda request: request,
            timeout=timeout,
            verify=str(self.ca_bundle) if self.ca_bundle else True,
            stream=True,
            allow_redirects=False,
        )


def _origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port. Raises Refused for all but http, https and ssh, and where two readers could differ."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Refused("has no usable form") from error
    place = parts.netloc.rpartition("@")[2]
    if parts.scheme not in _PORTS or not _PLACE.fullmatch(place) or len(place) > 253:
        raise Refused("has no usable form")
    return parts.scheme, (parts.hostname or "").rstrip("."), port or _PORTS[parts.scheme]


def _require_foreign(written: str) -> None:
    """Raise Refused if the address is of this machine alone, of its link, or of its cloud's own services."""
    address = ipaddress.ip_address(written.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        elif address in _NAT64:
            address = ipaddress.IPv4Address(address.packed[-4:])
    if (
        address.is_loopback
        or address.is_link_local
        or address.is_unspecified
        or address.is_multicast
        or any(address in network for network in _NEVER)
    ):
        raise Refused(f"leads to {address}, which is for this machine alone: dbmirror asks nothing there for a cluster")


class _CarefulHTTP(HTTPConnection):
    """Looks again whom it is connected to, before the request is sent: a name may lead elsewhere a moment later."""

    def connect(self) -> None:
        super().connect()
        _check_peer(self)


class _CarefulHTTPS(HTTPSConnection):
    """The same over TLS."""

    def connect(self) -> None:
        super().connect()
        _check_peer(self)


def _check_peer(connection: HTTPConnection) -> None:
    try:
        _require_foreign(connection.sock.getpeername()[0])
    except Refused:
        connection.close()
        raise


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _CarefulHTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _CarefulHTTPS


class _CarefulAdapter(HTTPAdapter):
    """Connects with care where it connects itself; a proxy is the user's own, and may be on this machine."""

    def init_poolmanager(self, *arguments: object, **named: object) -> None:
        super().init_poolmanager(*arguments, **named)  # type: ignore[arg-type]
        self.poolmanager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}


def plain(error: BaseException) -> str:
    """The cause in a few words, without the addresses (and so the credentials) that requests puts into its messages."""
    if isinstance(error, requests.exceptions.SSLError):
        for text in ("certificate verify failed", "wrong version number", "handshake failure"):
            if text in str(error).lower():
                return text
        return "the TLS handshake failed"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy does not answer"
    lower = str(error).lower()
    known = {
        "timed out": "no answer in time",
        "timeout": "no answer in time",
        "connection refused": "connection refused",
        "name or service not known": "its host name is unknown",
        "temporary failure in name resolution": "its host name cannot be looked up",
        "nodename nor servname": "its host name is unknown",
        "network is unreachable": "the network is unreachable",
        "reset by peer": "it closed the connection",
        "remotedisconnected": "it closed the connection",
        "too many redirects": "it redirects in circles",
    }
    return next((text for sign, text in known.items() if sign in lower), type(error).__name__)
