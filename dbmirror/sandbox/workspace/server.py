"""The HTTP side of the stand-in workspace: tokens, faults on demand, files for the driver's build, and the API."""

from __future__ import annotations

import hmac
import ipaddress
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from dbmirror.sandbox.workspace.api import DISCOVERY, Api, discovery
from dbmirror.sandbox.workspace.fleet import ApiError, Fleet

_LONGEST_BODY: Final = 1 << 20


@dataclass(slots=True, kw_only=True)
class Faults:
    """What goes wrong on demand."""

    token_expired: bool = False
    fail_next: int = 0
    """How many of the next requests fail."""
    status: int = 503
    """The HTTP status that they fail with."""
    delay: float = 0.0
    """Seconds before each answer."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> bool:
        """Whether the request at hand is one that has to fail."""
        with self.lock:
            if self.fail_next <= 0:
                return False
            self.fail_next -= 1
            return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """What the server serves."""

    token: str
    """Of the API, and of the administration: who has none gives no orders, another account or a web page."""
    api: Api
    fleet: Fleet
    files: Mapping[str, bytes]
    """Path (`/files/…`, `/git/…`) to content, for everybody."""
    image: Callable[[], str | None]
    """The image that drivers boot from; None until one is given."""
    open_with: Callable[[str], None]
    """Makes an image the one that drivers boot from."""
    stop: Callable[[], None]
    """Ends the server."""
    faults: Faults = field(default_factory=Faults)


def serve(workspace: Workspace, *, addresses: Sequence[str], port: int) -> list[ThreadingHTTPServer]:
    """Answer at each of `addresses` on `port` (0: any free one), each in a thread of its own.

    Raises OSError where an address cannot be bound; then none is.
    """
    servers: list[ThreadingHTTPServer] = []
    try:
        for address in addresses:
            servers.append(_Server((address, port), _handler(workspace)))
    except OSError:
        for server in servers:
            server.server_close()
        raise
    for server in servers:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    return servers


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._open: set[Any] = set()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """End one connection."""
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Listen no more, and end the connections that clients keep open for their next question."""
        super().server_close()
        for request in tuple(self._open):
            with suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)


def _handler(workspace: Workspace) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = "databricks"
        sys_version = ""

        def do_GET(self) -> None:
            self._answer("GET")

        def do_HEAD(self) -> None:
            self._answer("HEAD")

        def do_POST(self) -> None:
            self._answer("POST")

        def log_message(self, *_: object) -> None:
            """Keep no log: a request's headers hold a token."""

        def _answer(self, method: str) -> None:
            url = urlsplit(self.path)
            try:
                body = self._body()
                if url.path in workspace.files and method in {"GET", "HEAD"}:
                    self._send(200, workspace.files[url.path], "application/octet-stream")
                elif url.path == DISCOVERY:
                    self._send_json(200, discovery(f"http://{self.headers.get('Host')}"))
                elif url.path.startswith("/sandbox/"):
                    self._require_loopback()
                    self._require_token(expires=False)
                    self._send_json(200, _administer(workspace, method, url.path, body))
                elif url.path.startswith("/api/"):
                    self._misbehave()
                    self._require_token()
                    query = {
                        name: found[0] if len(found) == 1 else found for name, found in parse_qs(url.query).items()
                    }
                    self._send_json(200, workspace.api.answer(method, url.path, body if method == "POST" else query))
                else:
                    self._send_json(404, {"error_code": "NOT_FOUND", "message": "There is no such page."})
            except (KeyError, TypeError, ValueError) as error:
                self._send_json(400, {"error_code": "INVALID_PARAMETER_VALUE", "message": f"Bad request: {error!r}"})
            except ApiError as error:
                reason = {"X-Databricks-Reason-Phrase": error.message.replace("\n", " ")}
                self._send_json(error.status, {"error_code": error.code, "message": error.message}, reason)

        def _body(self) -> dict[str, Any]:
            length = int(self.headers.get("Content-Length") or 0)
            if length > _LONGEST_BODY:
                self.close_connection = True
                raise ApiError(413, "MAX_REQUEST_SIZE_EXCEEDED", "The request is too large.")
            content = self.rfile.read(length)
            try:
                document = json.loads(content) if content else {}
            except ValueError:
                raise ApiError(400, "MALFORMED_REQUEST", "Could not parse request object.") from None
            if not isinstance(document, dict):
                raise ApiError(400, "MALFORMED_REQUEST", "Could not parse request object.")
            return document

        def _require_loopback(self) -> None:
            if not ipaddress.ip_address(self.client_address[0]).is_loopback:
                raise ApiError(403, "PERMISSION_DENIED", "Only this machine may do that.")

        def _require_token(self, *, expires: bool = True) -> None:
            kind, _, token = (self.headers.get("Authorization") or "").partition(" ")
            if kind.lower() != "bearer":
                raise ApiError(401, 401, "Credential was not sent or was of an unsupported type for this API.")
            expired = expires and workspace.faults.token_expired
            if expired or not hmac.compare_digest(token.encode(), workspace.token.encode()):
                raise ApiError(403, 403, "Invalid access token.")

        def _misbehave(self) -> None:
            if workspace.faults.delay:
                time.sleep(workspace.faults.delay)
            if workspace.faults.take():
                raise ApiError(
                    workspace.faults.status, "TEMPORARILY_UNAVAILABLE", "The service is temporarily unavailable."
                )

        def _send_json(
            self, status: int, document: Mapping[str, Any], headers: Mapping[str, str] | None = None
        ) -> None:
            self._send(status, json.dumps(document).encode(), "application/json", headers)

        def _send(self, status: int, content: bytes, kind: str, headers: Mapping[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

    return Handler


def _administer(workspace: Workspace, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """What only the sandbox's owner may ask for, on this machine: state, faults, sudden ends."""
    faults, fleet = workspace.faults, workspace.fleet
    order = path.removeprefix("/sandbox/")
    cluster_id = str(body.get("cluster_id") or fleet.first_id)
    if (method, order) == ("GET", "state"):
        return {"clusters": fleet.listed(), "first_id": fleet.first_id, "image": workspace.image()}
    if method != "POST":
        raise ApiError(404, "NOT_FOUND", f"There is no {method} {path}.")
    if order == "open":
        workspace.open_with(str(body["image"]))
        fleet.open()
    elif order == "token":
        faults.token_expired = bool(body["expired"])
    elif order == "faults":
        with faults.lock:
            faults.fail_next = int(body.get("fail", 0))
            faults.status = int(body.get("status", 503))
            faults.delay = float(body.get("delay", 0.0))
    elif order == "lose":
        fleet.terminate(cluster_id, code="SPOT_INSTANCE_TERMINATION", kind="CLOUD_FAILURE")
    elif order == "terminate":
        fleet.terminate(cluster_id)
    elif order == "start":
        fleet.start(cluster_id)
    elif order == "restart":
        fleet.restart(cluster_id)
    elif order == "stop":
        workspace.stop()
    else:
        raise ApiError(404, "NOT_FOUND", f"There is no POST {path}.")
    return {}
