"""Registries on loopback that answer what a test says, and a target and a credential to go with them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from dbmirror.progress import Observer
from dbmirror.publish.registries.credential import Credential
from dbmirror.publish.registries.target import RegistryTarget
from dbmirror.sandbox.registry.accounts import Account
from dbmirror.sandbox.registry.front import Front
from dbmirror.sandbox.registry.signing import Signer
from dbmirror.sandbox.registry.tokens import Kind, TokenService

CANARY = "canary-5f1e/c0ffee+secret"


@dataclass
class Recorder(Observer):
    lines: list[str] = field(default_factory=list)

    def started(self, stage: str, *, total: int | None = None) -> None:
        self.lines.append(f"started {stage} of {total}")

    def advanced(self, stage: str, text: str = "", *, steps: int = 1) -> None:
        self.lines.append(f"advanced {stage} by {steps}: {text}")

    def finished(self, stage: str, text: str = "") -> None:
        self.lines.append(f"finished {stage}: {text}")

    def note(self, text: str) -> None:
        self.lines.append(f"note {text}")

    def warn(self, text: str) -> None:
        self.lines.append(f"warn {text}")


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class ScriptedRegistry:
    host: str
    routes: dict[str, Callable[[Asked], tuple[int, dict[str, str], bytes]]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def on(self, route: str, status: int, body: bytes = b"", **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.routes[route] = lambda asked: (status, named, body)

    def target(self, **changes: Any) -> RegistryTarget:
        facts: dict[str, Any] = {
            "name": "office",
            "kind": "oci",
            "host": self.host,
            "repository": "team/demo",
            "insecure": True,
        }
        return RegistryTarget(**(facts | changes))


@pytest.fixture
def scripted() -> Iterator[ScriptedRegistry]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = Asked(self.command, self.path, dict(self.headers), body)
            registry.asked.append(asked)
            route = registry.routes.get(f"{self.command} {urlsplit(self.path).path}")
            status, headers, content = route(asked) if route else (404, {}, b"")
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_POST = do_PUT = _serve  # noqa: N815

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        registry = ScriptedRegistry(f"127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield registry
        server.shutdown()
        thread.join()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def credential() -> Credential:
    return Credential(username="mia", secret=CANARY, source="a test")


@pytest.fixture
def acr() -> Iterator[TokenService]:
    yield from _token_service("acr")


@pytest.fixture
def hub() -> Iterator[TokenService]:
    yield from _token_service("dockerhub")


def _token_service(kind: Kind) -> Iterator[TokenService]:
    """The token service alone: what stands behind it, docker-registry, is for the tests in tests/stack."""
    accounts = [Account("mia", CANARY), Account("reader", "read-only-secret", frozenset({"pull"}))]
    with Front() as front:
        front.tokens = TokenService(kind=kind, service=front.host, signer=Signer(), accounts=accounts)
        thread = threading.Thread(target=front.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield front.tokens
        front.shutdown()
        thread.join()
