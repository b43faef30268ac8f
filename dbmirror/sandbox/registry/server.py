"""Start and end the sandbox's registry: docker-registry as a child process behind the front."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

import msgspec

from dbmirror.errors import UsageError
from dbmirror.processes.child import spawn, stop
from dbmirror.processes.temporary import temporary_folder
from dbmirror.sandbox.registry.accounts import Account, new_account
from dbmirror.sandbox.registry.faults import Faults
from dbmirror.sandbox.registry.front import Front
from dbmirror.sandbox.registry.signing import ISSUER, Signer
from dbmirror.sandbox.registry.tokens import Kind, TokenService

_PATIENCE = 20.0
"""Seconds for docker-registry to start, and half of it to end."""


class RegistryMissing(UsageError):
    """docker-registry is not installed, or does not start."""


@dataclass(frozen=True, slots=True)
class RunningRegistry:
    """A registry that takes pushes; the Docker Engine needs no setting for a registry on loopback."""

    host: str
    """`127.0.0.1:PORT`, as it stands in image references."""
    kind: Kind
    pid: int
    """Of docker-registry's process group."""
    account: Account
    """The first account: it may pull and push."""
    tokens: TokenService
    faults: Faults
    requests: list[str]
    """`METHOD /path` of every request to the registry itself, in order."""
    folder: Path
    """Where the images lie, and the log."""


def find_docker_registry() -> Path:
    """The docker-registry program. Raises RegistryMissing with the command that installs it."""
    found = shutil.which("docker-registry")
    if found is None:
        raise RegistryMissing(
            "docker-registry is not installed on this machine.",
            remedy="Install it with: apt-get install --no-install-recommends docker-registry",
        )
    return Path(found)


@contextlib.contextmanager
def start(
    kind: Kind = "dockerhub", *, accounts: Sequence[Account] = (), lifetime: float = 3600.0
) -> Iterator[RunningRegistry]:
    """A registry on loopback with one account more than `accounts`, until the block ends.

    docker-registry ends by itself after `lifetime` seconds, whatever becomes of this process; its images go with it.
    Raises RegistryMissing where it is not installed or does not start.
    """
    program = find_docker_registry()
    own = new_account()
    with temporary_folder("registry") as folder, Front() as front:
        signer = Signer()
        tokens = TokenService(kind=kind, service=front.host, signer=signer, accounts=[own, *accounts])
        front.tokens = tokens
        front.registry_port = _free_port()
        (folder / "root.pem").write_bytes(signer.certificate)
        configuration = _configuration(folder, front, tokens)
        (folder / "config.yml").write_bytes(msgspec.json.format(msgspec.json.encode(configuration)))
        with _child(program, folder, front.registry_port, lifetime) as process:
            thread = threading.Thread(target=front.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
            thread.start()
            try:
                yield RunningRegistry(
                    host=front.host,
                    kind=kind,
                    pid=process.pid,
                    account=own,
                    tokens=tokens,
                    faults=front.faults,
                    requests=front.requests,
                    folder=folder,
                )
            finally:
                front.shutdown()
                thread.join()


def _configuration(folder: Path, front: Front, tokens: TokenService) -> dict[str, object]:
    """docker-registry's configuration; JSON is YAML."""
    return {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(folder / "data")},
            "delete": {"enabled": True},
            "maintenance": {"uploadpurging": {"enabled": False}},
        },
        "http": {"addr": f"127.0.0.1:{front.registry_port}", "relativeurls": True},
        "auth": {
            "token": {
                "realm": f"http://{front.host}{tokens.realm_path}",
                "service": tokens.service,
                "issuer": ISSUER,
                "rootcertbundle": str(folder / "root.pem"),
            }
        },
    }


@contextlib.contextmanager
def _child(program: Path, folder: Path, port: int, lifetime: float) -> Iterator[Popen[bytes]]:
    argv = ["timeout", "--kill-after=5", f"{lifetime:g}", str(program), "serve", str(folder / "config.yml")]
    with (folder / "registry.log").open("wb") as log:
        process = spawn(argv, stdout=log)
        try:
            _wait_for(process, port, folder / "registry.log")
            yield process
        finally:
            stop(process, interrupt_seconds=0.0, terminate_seconds=_PATIENCE / 2)


def _wait_for(process: Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", "/v2/")
            if connection.getresponse().status == 401:
                return
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)
        finally:
            connection.close()
    last = log.read_text(errors="replace").strip().splitlines()[-1:] or ["(it said nothing)"]
    raise RegistryMissing(f"docker-registry does not start: {last[0]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
