"""A file server on the loopback interface that can be told to misbehave."""

import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dbmirror.fetch.fetch import Wanted
from dbmirror.fetch.store import Store
from dbmirror.http_client.client import Client
from dbmirror.http_client.logins import Feed, Logins


@dataclass
class FileServer:
    """Serves `contents` by path; `faults` says what goes wrong with the next requests for a path."""

    address: str
    contents: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[int | str]] = field(default_factory=dict)
    """A status to answer, `cut` to break off half way, `drip` to send a byte a time, for ever."""
    asked: Counter[str] = field(default_factory=Counter)
    agents: dict[str, str | None] = field(default_factory=dict)
    """What the last client that asked for a path called itself."""

    def add(self, path: str, content: bytes, *, digest: str = "sha256", size: bool = True) -> Wanted:
        """A file of the server, as it is wanted."""
        self.contents[path] = content
        value = hashlib.new(digest, content, usedforsecurity=False).hexdigest()
        return Wanted(url=self.address + path, digest=f"{digest}:{value}", size=len(content) if size else None)


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"

    def do_GET(self) -> None:
        state = self.server.state
        state.asked[self.path] += 1
        state.agents[self.path] = self.headers["User-Agent"]
        waiting = state.faults.get(self.path, [])
        fault = waiting.pop(0) if waiting else 200
        content = state.contents.get(self.path)
        status = fault if isinstance(fault, int) else 200
        self.send_response(404 if content is None else status)
        body = b"" if content is None or status != 200 else content
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(OSError):
            if fault == "cut":
                self.wfile.write(body[: len(body) // 2])
                self.close_connection = True
            elif fault == "drip":
                for place in range(len(body)):
                    self.wfile.write(body[place : place + 1])
                    self.wfile.flush()
                    if self.server.ended.wait(0.05):
                        return
            else:
                self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    state: FileServer
    ended: threading.Event


@pytest.fixture
def files() -> Iterator[FileServer]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.ended = threading.Event()
    server.state = FileServer(address=f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server.state
    server.ended.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def client(files: FileServer) -> Iterator[Client]:
    with Client(Logins([Feed(url=f"{files.address}/")]), pause=0.01) as client:
        yield client


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "files") as store:
        yield store
