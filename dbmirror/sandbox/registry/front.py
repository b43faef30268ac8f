"""The HTTP server before docker-registry: token service, reverse proxy, and faults at will."""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType

from dbmirror.sandbox.registry.faults import Fault, Faults
from dbmirror.sandbox.registry.tokens import TokenService

_PIECE = 64 << 10
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "proxy-connection"}
)


class Front(ThreadingHTTPServer):
    """Listens on a free port of loopback; `registry_port` is where docker-registry does."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.registry_port = 0
        self.tokens: TokenService | None = None
        self.faults = Faults()
        self.requests: list[str] = []
        """`METHOD /path` of every request to the registry."""

    @property
    def host(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is an everyday thing here; nothing is printed."""


class _Cut(Exception):
    """The connection is to be cut now."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Front

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
        """Nothing is printed: request lines of token services carry user names."""

    def __getattr__(self, name: str) -> object:
        # The base class looks for do_GET, do_PATCH, …; all go one way.
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        tokens = self.server.tokens
        if tokens is not None and tokens.serves(self.path):
            body = b"".join(self._body())
            reply = tokens.answer(self.command, self.path, self.headers.get("Authorization", ""), body)
            self._answer(reply.status, reply.encoded())
            return
        self.server.requests.append(f"{self.command} {self.path}")
        fault = self.server.faults.take(self.command, self.path) or Fault()
        try:
            if fault.status is not None:
                for _ in self._body():
                    pass
                time.sleep(fault.delay)
                self._answer(fault.status, fault.body, fault.content_type, fault.headers)
            else:
                self._pass_on(fault)
        except _Cut:
            # A reset, not a polite end: no lingering.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True

    def _answer(
        self,
        status: int,
        body: bytes,
        content_type: str = "application/json",
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _pass_on(self, fault: Fault) -> None:
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.registry_port, timeout=60)
        with contextlib.closing(upstream):
            chunked = self.headers.get("Transfer-Encoding", "").lower() == "chunked"
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    upstream.putheader(name, value)
            if chunked:
                upstream.putheader("Transfer-Encoding", "chunked")
            upstream.endheaders()
            self._send_body(upstream, fault, chunked=chunked)
            time.sleep(fault.delay)
            self._relay(upstream.getresponse())

    def _send_body(self, upstream: http.client.HTTPConnection, fault: Fault, *, chunked: bool) -> None:
        passed = 0
        for piece in self._body():
            time.sleep(fault.delay)
            passed += len(piece)
            if fault.cut_after is not None and passed > fault.cut_after:
                raise _Cut
            upstream.send(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            upstream.send(b"0\r\n\r\n")

    def _relay(self, response: http.client.HTTPResponse) -> None:
        length = response.headers.get("Content-Length")
        self.send_response_only(response.status, response.reason)
        for name, value in response.headers.items():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        bodiless = self.command == "HEAD" or response.status in {204, 304}
        if length is None and not bodiless:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if bodiless:
            return
        while piece := response.read(_PIECE):
            self.wfile.write(piece if length is not None else b"%x\r\n%s\r\n" % (len(piece), piece))
        if length is None:
            self.wfile.write(b"0\r\n\r\n")

    def _body(self) -> Iterator[bytes]:
        """The request's body in pieces, whichever way its end is marked."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left > 0:
            piece = self.rfile.read(min(left, _PIECE))
            if not piece:
                raise _Cut
            left -= len(piece)
            yield piece
