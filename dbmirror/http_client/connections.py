"""Connections of urllib3 to addresses that were checked, which read no longer and no more than allowed."""

from __future__ import annotations

import http.client
import io
import socket
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from dbmirror.http_client.addresses import lookup
from dbmirror.http_client.limits import CONNECT_SECONDS, CURRENT, Limits
from dbmirror.http_client.refused import Cause, Refused


class _Reader(io.RawIOBase):
    """A socket's bytes, each read within what is left of the request's limits."""

    def __init__(self, sock: Any, limits: Limits) -> None:
        self._socket, self._limits = sock, limits
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._socket.settimeout(self._limits.wait())
        try:
            size: int | None = self._raw.readinto(buffer)
        except TimeoutError:
            self._limits.wait()
            raise Refused(
                f"sent nothing for {self._limits.idle:g} s in the middle of its answer", cause=Cause.TIMEOUT
            ) from None
        self._limits.take(size or 0)
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedSocket:
    """Stands in for a socket where http.client makes a file of it."""

    def __init__(self, sock: Any, limits: Limits) -> None:
        self._socket, self._limits = sock, limits

    def makefile(self, *_arguments: object) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._socket, self._limits))


class _Response(http.client.HTTPResponse):
    """An answer that is read within the limits of the request that it belongs to."""

    def __init__(self, sock: Any, *arguments: Any, **named: Any) -> None:
        self._limits = CURRENT.get()
        self._limits.header_begins()
        super().__init__(_BoundedSocket(sock, self._limits), *arguments, **named)  # type: ignore[arg-type]

    def begin(self) -> None:
        super().begin()
        self._limits.body_begins()


def _connect(host: str, port: int | None, *, options: Any, checked: bool) -> socket.socket:
    """A connection to the first address of `host` that answers; with `checked` only if all of them are allowed."""
    limits = CURRENT.get()
    addresses = lookup(host.strip("[]"), port or 0, seconds=limits.wait())
    if checked and limits.allow is not None:
        for address in addresses:
            limits.allow(address)
    failure: OSError = OSError("no address")
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            for option in options or ():
                sock.setsockopt(*option)
            sock.settimeout(min(CONNECT_SECONDS, limits.wait()))
            sock.connect(socket.getaddrinfo(address, port, family, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)[0][4])
            sock.settimeout(limits.wait())
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure


class _HTTP(HTTPConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        # A proxy is the user's own, and may be on this machine.
        return _connect(self._dns_host, self.port, options=self.socket_options, checked=self.proxy is None)


class _HTTPS(HTTPSConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        return _connect(self._dns_host, self.port, options=self.socket_options, checked=self.proxy is None)


class HTTPPool(HTTPConnectionPool):
    """Connections in the clear."""

    ConnectionCls = _HTTP


class HTTPSPool(HTTPSConnectionPool):
    """Connections over TLS."""

    ConnectionCls = _HTTPS
