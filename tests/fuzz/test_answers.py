"""Whatever an index, repository, registry, workspace or driver answers ends in a value or a documented error."""

from __future__ import annotations

import hashlib
import json
import threading
import zlib
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk.clock import RealClock
from hypothesis import given
from hypothesis import strategies as st

from dbmirror.errors import DbmirrorError
from dbmirror.http_client.refused import Refused
from dbmirror.inventory.assemble import assemble
from dbmirror.inventory.collector_answer import decode
from dbmirror.lock.model import Target
from dbmirror.lock.python.candidates import choose
from dbmirror.lock.python.project_page import parse_project_page
from dbmirror.lock.r.packages_file import parse_packages
from dbmirror.publish.registries.credential import Credential
from dbmirror.publish.registries.registry_api import RegistryClient
from dbmirror.publish.registries.target import RegistryTarget
from dbmirror.workspace.clusters import list_clusters, read
from dbmirror.workspace.profile_file import list_profiles
from dbmirror.workspace.profiles import client
from tests.fuzz.cases import CHANGES, NOISE, cases, changed, damaged, limited

REFUSALS = (DbmirrorError, Refused)
TARGET = Target(python="3.11.11", architecture="x86_64", glibc="2.35")
PROJECT: dict[str, Any] = {
    "meta": {"api-version": "1.1"},
    "name": "numpy",
    "versions": ["1.23.5"],
    "files": [
        {
            "filename": "numpy-1.23.5-cp311-cp311-manylinux_2_17_x86_64.whl",
            "url": "https://files.example/numpy-1.23.5-cp311-cp311-manylinux_2_17_x86_64.whl",
            "hashes": {"sha256": "a" * 64},
            "requires-python": ">=3.8",
            "yanked": False,
            "size": 100,
            "upload-time": "2024-01-01T00:00:00Z",
            "core-metadata": {"sha256": "b" * 64},
            "gpg-sig": False,
        },
        {
            "filename": "numpy-1.23.5.tar.gz",
            "url": "../numpy-1.23.5.tar.gz",
            "hashes": {"sha256": "c" * 64},
            "yanked": "reason",
        },
    ],
}
PAGE = b"""<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.0">
<base href="https://x.example/"></head><body>
<a href="numpy-1.23.5.tar.gz#sha256=aa" data-requires-python="&gt;=3.8">numpy-1.23.5.tar.gz</a>
<a href="https://files.example/numpy-1.23.5-cp311-cp311-manylinux_2_17_x86_64.whl#sha256=bb" data-core-metadata="true">
numpy-1.23.5-cp311-cp311-manylinux_2_17_x86_64.whl</a></body></html>"""
PACKAGES = b"""Package: curl
Version: 5.0.0
Depends: R (>= 3.0.0)
Imports: R6, jsonlite (>= 1.0)
MD5sum: 0123456789abcdef0123456789abcdef
NeedsCompilation: yes
Path: 4.3.2/Recommended

Package: R6
Version: 2.5.1
"""
WIRE: dict[str, Any] = {
    "wire": 1,
    "python": {"path": "/databricks/python3/bin/python", "version": "3.11.11", "implementation": "cpython"},
    "interpreters": [{"path": "/usr/bin/python3", "version": "3.10.12", "implementation": "cpython"}],
    "folders": [
        {
            "layer": "runtime",
            "path": "/databricks/python3/lib/python3.11/site-packages",
            "via": "",
            "entries": [
                {
                    "name": "numpy-1.23.5.dist-info",
                    "kind": "dist-info",
                    "files": {
                        "METADATA": "Name: numpy\nVersion: 1.23.5\nRequires-Dist: six>=1\nRequires-Python: >=3.8\n",
                        "INSTALLER": "pip\n",
                        "WHEEL": "Wheel-Version: 1.0\nTag: cp311-cp311-manylinux_2_17_x86_64\n",
                        "direct_url.json": '{"url": "https://git.example/x", "vcs_info": {"vcs": "git"}}',
                    },
                    "problems": {"RECORD": "missing"},
                    "record": [10, 9, 1],
                    "owner": "python3-numpy",
                }
            ],
        }
    ],
    "r_libraries": [
        {
            "path": "/usr/lib/R/library",
            "packages": [
                {
                    "name": "base",
                    "description": "Package: base\nVersion: 4.3.2\nPriority: base\nBuilt: R 4.3.2; ; 2024; unix\n",
                    "problem": None,
                    "owner": "r-base-core",
                }
            ],
        }
    ],
    "dpkg_status": "Package: curl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 7.81.0-1\n",
    "jars": {"folder": "/databricks/jars", "names": ["a--mvn--b--org.x__x__1.0.jar"]},
    "facts": {
        "architecture": "x86_64",
        "libc": "glibc 2.35",
        "os_release": 'ID=ubuntu\nVERSION_ID="22.04"\n',
        "runtime_version": "15.4",
        "spark_version": "3.5.0",
        "java_release": 'JAVA_VERSION="1.8.0_412"\n',
        "scala": "2.12",
    },
    "variables": {"names": ["LANG", "PATH"], "values": {"LANG": "C.UTF-8"}},
    "errors": [{"path": "/databricks/x", "reason": "permission", "layer": "runtime"}],
}
CLUSTER: dict[str, Any] = {
    "cluster_id": "0101-120000-abcdefgh",
    "cluster_name": "analytics",
    "spark_version": "15.4.x-scala2.12",
    "state": "RUNNING",
    "state_message": "",
    "start_time": 1_763_632_800_000,
    "driver": {"private_ip": "10.139.64.4", "public_dns": "", "start_timestamp": 1_763_632_800_000},
    "node_type_id": "Standard_DS3_v2",
    "data_security_mode": "SINGLE_USER",
    "runtime_engine": "STANDARD",
    "ssh_public_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"],
    "init_scripts": [{"workspace": {"destination": "/x.sh"}}, {"volumes": {"destination": "/Volumes/x.sh"}}],
    "spark_conf": {"spark.databricks.unityCatalog.volumes.enabled": "true"},
    "docker_image": {"url": "team/x:1"},
}
WORKSPACE: dict[str, Any] = {
    "/api/2.1/clusters/list": {"clusters": [CLUSTER]},
    "/api/2.1/clusters/get": CLUSTER,
    "/api/2.0/libraries/cluster-status": {
        "cluster_id": "0101-120000-abcdefgh",
        "library_statuses": [
            {"library": {"pypi": {"package": "six==1.16"}}, "status": "INSTALLED", "messages": ["m"]},
            {"library": {"maven": {"coordinates": "a:b:1"}}, "status": "FAILED"},
        ],
    },
}
MANIFEST: dict[str, Any] = {
    "schemaVersion": 2,
    "config": {"digest": "sha256:" + "c" * 64, "size": 3},
    "layers": [{"digest": "sha256:" + "1" * 64, "size": 5}],
    "errors": [{"code": "DENIED", "message": "no", "detail": {"a": 1}}],
    "token": "a.b.c",
    "expires_in": 300,
}
PROFILES = b"[DEFAULT]\nhost = https://adb-1.azuredatabricks.net\ntoken = dapi\n[demo]\nhost = https://x.example\n"


class Server:
    """Answers every path on loopback with what the case says."""

    def __init__(self) -> None:
        self.status, self.headers, self.bodies = 200, dict[str, str](), dict[str, bytes]()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                content = server.bodies.get(path, server.bodies.get("", b""))
                logged_in = "Authorization" in self.headers
                self.send_response(200 if logged_in and server.status == 401 else server.status)
                for name, value in server.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                with suppress(OSError):
                    self.wfile.write(content)

            def do_POST(self) -> None:
                self.do_GET()

            def do_HEAD(self) -> None:
                self.do_GET()

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.host = f"127.0.0.1:{self._server.server_port}"

    def end(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.end()


@given(changes=CHANGES, noise=st.none() | NOISE)
@cases(0.04)
def test_an_index_in_json(changes: Any, noise: Any, place: Path) -> None:
    body = json.dumps(changed(PROJECT, changes)).encode()
    _offered("application/vnd.pypi.simple.v1+json", damaged(body, noise) if noise else body, place)


@given(
    noise=NOISE,
    charset=st.sampled_from(["", "; charset=utf-16", "; charset=nonsense", '; charset="', "; charset=zlib"]),
)
@cases(0.02)
def test_an_index_in_html(noise: Any, charset: str, place: Path) -> None:
    _offered(f"text/html; charset={charset}", damaged(PAGE, noise), place)


def _offered(kind: str, body: bytes, place: Path) -> None:
    with limited(place / "outside"), suppress(*REFUSALS):
        offered = parse_project_page("numpy", kind, body, "https://index.example/simple/numpy/")
        choose("numpy", "1.23.5", offered, TARGET)


@given(noise=NOISE, packed=st.booleans())
@cases(0.02)
def test_a_repository_of_r(noise: Any, packed: bool, place: Path) -> None:
    body = damaged(PACKAGES, noise)
    if packed:
        packer = zlib.compressobj(wbits=31)
        body = damaged(packer.compress(body) + packer.flush(), noise[:1])
    with limited(place / "outside"), suppress(*REFUSALS):
        parse_packages(body)


@given(changes=CHANGES, noise=st.none() | NOISE)
@cases(0.04)
def test_a_driver(changes: Any, noise: Any, place: Path) -> None:
    document = json.dumps(changed(WIRE, changes)).encode()
    payload = zlib.compress(damaged(document, noise) if noise else document)
    with limited(place / "outside"), suppress(DbmirrorError):
        assemble(decode(payload, host="driver"), host="driver")


@given(
    changes=CHANGES,
    status=st.sampled_from([200, 200, 200, 400, 401, 403, 404, 418]),
    challenge=st.one_of(
        st.sampled_from(
            [
                'Bearer realm="http://{host}/token",service="s"',
                'Bearer realm="http://[::1",service="s"',
                'Bearer realm="http://{host}:x/token"',
                'Bearer realm="//",service="s',
                "Bearer",
                'Basic realm="x"',
                'Bearer realm="file:///etc/passwd"',
            ]
        ),
        st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=40),
    ),
)
@cases(0.02)
def test_a_registry(changes: Any, status: int, challenge: str, place: Path, server: Server) -> None:
    content = json.dumps(changed(MANIFEST, changes)).encode()
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    server.status, server.bodies = status, {"": content}
    server.headers = {"WWW-Authenticate": challenge.replace("{host}", server.host), "Docker-Content-Digest": digest}
    target = RegistryTarget(
        name="own", kind="oci", host=server.host, repository="team/demo", username=None, insecure=True
    )
    registry = RegistryClient(target, Credential(username="mia", secret="canary-of-a-test", source="a test"), timeout=5)
    with limited(place / "outside"):
        for ask in (registry.log_in, lambda: registry.digest_of("1"), lambda: registry.manifest(digest)):
            with suppress(DbmirrorError):
                ask()


@given(changes=CHANGES)
@cases(0.03)
def test_a_workspace(changes: Any, place: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RealClock, "sleep", lambda *_: None)
    answers = changed(WORKSPACE, changes)
    server.status, server.headers = 200, {"Content-Type": "application/json"}
    server.bodies = {path: json.dumps(answers.get(path, {})).encode() for path in WORKSPACE}
    file = place / "databrickscfg"
    file.write_text(f"[demo]\nhost = http://{server.host}\ntoken = dapi-of-a-test\n")
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(file))
    w = client("demo")
    with limited(place / "outside"):
        for ask in (lambda: list_clusters(w), lambda: read(w, "0101-120000-abcdefgh")):
            with suppress(DbmirrorError):
                ask()


@given(noise=NOISE, value=st.text(max_size=20))
@cases(0.02)
def test_a_profile_file(noise: Any, value: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = place / "databrickscfg"
    file.write_bytes(damaged(PROFILES + f"[other]\nhost = {value}\n".encode("utf-8", "surrogatepass"), noise))
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(file))
    monkeypatch.setenv("HOME", str(place / "home"))
    with limited(place / "outside"):
        with suppress(DbmirrorError):
            list_profiles()
        for name in ("demo", "other", None):
            with suppress(DbmirrorError):
                client(name)
