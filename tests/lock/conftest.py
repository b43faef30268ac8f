"""An index on the loopback interface with files made on the fly, and the clusters that are locked against it."""

import gzip
import hashlib
import html
import io
import json
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dbmirror.filters.model import Decision, Rule, Selection, Verdict
from dbmirror.inventory.layers import Layer
from dbmirror.inventory.model import (
    DebianPackage,
    DirectUrl,
    Distribution,
    Inventory,
    Problem,
)
from dbmirror.lock.model import BaseImage, BaseKind
from dbmirror.lock.python.index import Index
from dbmirror.lock.python.index_location import IndexLocation
from dbmirror.lock.python.index_settings import Choice
from dbmirror.snapshot import Snapshot
from tests.builders import a_snapshot, an_inventory, index_settings

SITE_PACKAGES = "/databricks/python3/lib/python3.11/site-packages"


def wheel(name: str, version: str) -> bytes:
    """A wheel with nothing but its metadata."""
    folder = f"{name.replace('-', '_')}-{version}.dist-info"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(f"{folder}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{folder}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{folder}/RECORD", "")
    return stream.getvalue()


def sdist(name: str, version: str) -> bytes:
    """A source distribution with nothing but its metadata."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        content = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
        entry = tarfile.TarInfo(f"{name}-{version}/PKG-INFO")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(stream.getvalue(), mtime=0)


@dataclass
class Answer:
    """What the server says at one path."""

    status: int = 200
    content: bytes = b""
    kind: str = "text/html"
    delay: float = 0.0
    location: str | None = None
    """Where a redirect leads."""
    cut: bool = False
    """Announce more bytes than are sent."""


@dataclass
class Loopback:
    """The index: `add` files to it, or say in `answers` what a path gets instead."""

    address: str
    form: str = "json"
    hashes: bool = True
    projects: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and Authorization of each request."""
    credentials: str | None = None
    """The Authorization that the simple API wants."""

    @property
    def url(self) -> str:
        return f"{self.address}/simple/"

    def add(self, project: str, filename: str, content: bytes | None = None, **more: object) -> str:
        """List a file; its sha256."""
        version = filename.removesuffix(".tar.gz").removesuffix(".zip").rpartition("-")[2]
        if content is None:
            content = wheel(project, filename.split("-")[1]) if filename.endswith(".whl") else sdist(project, version)
        self.answers[f"/files/{filename}"] = Answer(content=content, kind="application/octet-stream")
        sha256 = hashlib.sha256(content).hexdigest()
        entry: dict[str, object] = {"filename": filename, "url": f"../../files/{filename}", "hashes": {}, **more}
        if self.hashes:
            entry["hashes"] = {"sha256": sha256}
        self.projects.setdefault(project, []).append(entry)
        return sha256

    def say(self, path: str, **fields: object) -> None:
        """Give another answer at `path`."""
        self.answers[path] = Answer(**fields)  # type: ignore[arg-type]

    def asked(self, project: str) -> int:
        """How often the page of `project` was asked for."""
        return sum(path == f"/simple/{project}/" for path, _ in self.requests)

    def answer(self, path: str, authorization: str | None) -> Answer:
        self.requests.append((path, authorization))
        if path in self.answers:
            return self.answers[path]
        project = path.removeprefix("/simple/").strip("/")
        if not path.startswith("/simple/"):
            return Answer(status=404)
        if self.credentials is not None and authorization != self.credentials:
            return Answer(status=401)
        if project not in self.projects:
            return Answer(status=404)
        return self._json(project) if self.form == "json" else self._html(project)

    def _json(self, project: str) -> Answer:
        page = {"meta": {"api-version": "1.0"}, "name": project, "files": self.projects[project]}
        return Answer(content=json.dumps(page).encode(), kind="application/vnd.pypi.simple.v1+json")

    def _html(self, project: str) -> Answer:
        lines = []
        for file in self.projects[project]:
            hashes = file["hashes"]
            fragment = f"#sha256={hashes['sha256']}" if isinstance(hashes, dict) and hashes else ""
            more = (
                f' data-requires-python="{html.escape(str(file["requires-python"]))}"'
                if "requires-python" in file
                else ""
            )
            more += ' data-yanked=""' if file.get("yanked") else ""
            lines.append(f'<a href="{file["url"]}{fragment}"{more}>{file["filename"]}</a><br/>')
        return Answer(content=f"<!DOCTYPE html><html><body>{''.join(lines)}</body></html>".encode())


@pytest.fixture
def loopback() -> Iterator[Callable[[], Loopback]]:
    """Starts an index server each time that it is called."""
    yield from _starting()


@pytest.fixture(scope="module")
def loopback_for_all() -> Iterator[Callable[[], Loopback]]:
    """The same, for all tests of a module."""
    yield from _starting()


def _starting() -> Iterator[Callable[[], Loopback]]:
    servers: list[ThreadingHTTPServer] = []

    def start() -> Loopback:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                answer = state.answer(self.path.partition("?")[0], self.headers.get("Authorization"))
                time.sleep(answer.delay)
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.kind)
                if answer.location is not None:
                    self.send_header("Location", answer.location)
                self.send_header("Content-Length", str(len(answer.content) + 100 * answer.cut))
                self.end_headers()
                with suppress(OSError):
                    self.wfile.write(b"" if self.command == "HEAD" else answer.content)
                self.close_connection = answer.cut

            def log_message(self, *_arguments: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        state = Loopback(address=f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        servers.append(server)
        return state

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def server(loopback: Callable[[], Loopback]) -> Loopback:
    """One index server."""
    return loopback()


@pytest.fixture
def index_of() -> Iterator[Callable[..., Index]]:
    """Makes a client of these addresses that does not wait between retries."""
    clients: list[Index] = []

    def make(
        *urls: str,
        choice: Choice = Choice.FIRST_INDEX,
        credentials: tuple[str, str] | None = None,
        seconds: float = 20.0,
        ca_bundle: Path | None = None,
    ) -> Index:
        user, password = credentials or (None, None)
        locations = [IndexLocation(url=url, origin="the test", user=user, password=password) for url in urls]
        client = Index(index_settings(locations, choice), seconds=seconds, pause=0.0, ca_bundle=ca_bundle)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.__exit__(None, None, None)


def installed(
    name: str,
    version: str,
    *,
    layer: Layer = Layer.RUNTIME,
    location: str = SITE_PACKAGES,
    apt_package: str | None = None,
    direct_url: DirectUrl | None = None,
    capturable: bool = False,
) -> Distribution:
    return Distribution(
        name=name,
        spelling=name,
        version=version,
        layer=layer,
        location=location,
        apt_package=apt_package,
        direct_url=direct_url,
        capturable=capturable,
        requires=("six>=1",) if name == "needy" else (),
    )


@pytest.fixture(name="installed")
def installed_fixture() -> Callable[..., Distribution]:
    """Makes a distribution of the runtime."""
    return installed


@pytest.fixture
def inventory() -> Callable[..., Inventory]:
    """Makes the inventory of a host with Python 3.11 and glibc 2.35."""

    def make(
        *distributions: Distribution,
        problems: tuple[Problem, ...] = (),
        python: str = "3.11.11",
        glibc: str | None = "2.35",
        debian: tuple[DebianPackage, ...] = (),
    ) -> Inventory:
        return an_inventory(*distributions, problems=problems, python=python, glibc=glibc, debian_packages=debian)

    return make


@pytest.fixture
def cluster() -> Callable[[Inventory], Snapshot]:
    """Makes the snapshot of an inventory."""
    return lambda inventory: a_snapshot(inventory=inventory)


@pytest.fixture
def keep_all() -> Callable[..., Selection[Distribution]]:
    """Makes a selection that keeps what is effective, but for the names that are dropped."""

    def make(snapshot: Snapshot, *, drop: frozenset[str] = frozenset()) -> Selection[Distribution]:
        effective = snapshot.inventory.effective()
        decisions, kept = [], []
        for found in snapshot.inventory.distributions:
            keep = effective.get(found.name) is found and found.name not in drop
            decisions.append(
                Decision(
                    name=found.name,
                    version=found.version,
                    layer=found.layer,
                    location=found.location,
                    verdict=Verdict.KEEP if keep else Verdict.DROP,
                    rule=Rule(name="default" if keep else "blacklist", pattern="*", reason="The test says so."),
                )
            )
            if keep:
                kept.append(found)
        return Selection(
            snapshot=snapshot.digest,
            mode="blacklist",
            decisions=tuple(decisions),
            kept=tuple(sorted(kept, key=lambda distribution: distribution.name)),
            problems=snapshot.inventory.problems,
        )

    return make


@pytest.fixture
def base() -> BaseImage:
    """A bare base image."""
    return BaseImage(reference="ubuntu:22.04", kind=BaseKind.BARE, os_id="ubuntu", os_version="22.04")
