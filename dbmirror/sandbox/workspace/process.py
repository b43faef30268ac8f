"""The workspace's process seen from outside: start it, ask it, end it."""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

import dbmirror
from dbmirror.files import canonical_json, write_atomically
from dbmirror.foreign_text.decoding import decode_json
from dbmirror.foreign_text.redaction import foreign_line
from dbmirror.processes.child import spawn
from dbmirror.sandbox.background import still_runs
from dbmirror.sandbox.errors import SandboxRefused, WorkspaceNotAnswering

PORTS: Final = range(47200, 47220)
"""The first that is free is taken: it stands in the driver's image, which another port would make anew."""
LIFETIME: Final = 12 * 3600.0
"""Seconds after which a forgotten workspace ends by itself, and takes its drivers with it."""
LARGEST_ANSWER: Final = 1 << 20
"""Bytes of an answer to an order; the state of all clusters has some kB."""
_START_SECONDS: Final = 20.0
_STOP_SECONDS: Final = 20.0
_DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the process is started with; a file, for the token must stand on no command line."""

    instance: str
    token: str
    public_key: str
    cluster_id: str
    addresses: tuple[str, ...]
    port: int
    files_url: str
    r: bool = False
    """The driver has R: its repositories are served."""
    lifetime: float = LIFETIME


class _Refusal(msgspec.Struct, frozen=True):
    message: str


def settings_file(folder: Path) -> Path:
    """Where the settings lie, readable by their owner alone; the process ends when the file goes or changes."""
    return folder / "workspace.json"


def read_settings(folder: Path) -> Settings:
    """The settings in `folder`. Raises OSError or msgspec.DecodeError where they are not there or not whole."""
    return decode_json(settings_file(folder).read_bytes(), Settings)


def read_token(folder: Path) -> str:
    """The token that the settings in `folder` have; one that no workspace has where they cannot be read."""
    with suppress(OSError, msgspec.DecodeError):
        return read_settings(folder).token
    return ""


class PortTaken(WorkspaceNotAnswering):
    """Somebody else took the port between the look at it and the start."""


def free_port(addresses: Sequence[str], *, but: Collection[int] = ()) -> int:
    """The first port of PORTS that is free on all of `addresses`, and not one of `but`.

    Raises SandboxRefused where none is, or where an address is not this machine's.
    """
    for port in (port for port in PORTS if port not in but):
        for address in addresses:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((address, port))
                    probe.listen()
                except OSError as error:
                    if error.errno == errno.EADDRNOTAVAIL:
                        raise SandboxRefused(
                            f"The Docker network's address {address} is not one of this machine.",
                            remedy="The sandbox needs a Docker Engine that runs on this machine itself.",
                        ) from error
                    break
        else:
            return port
    raise SandboxRefused(
        f"Every port from {PORTS[0]} to {PORTS[-1]} is in use on {', '.join(addresses)}.",
        remedy="End one of the programs that listen there ('ss -ltnp' shows them), and try again.",
    )


def start(folder: Path, settings: Settings) -> None:
    """Start the workspace with `settings` as a process of its own that outlives this one; returns when it answers.

    Raises PortTaken, or WorkspaceNotAnswering with the end of its log where it does not answer within 20 s.
    """
    write_atomically(settings_file(folder), canonical_json(settings), mode=0o600)
    log = folder / "workspace.log"
    home = str(Path(dbmirror.__file__).parents[1])
    path = os.pathsep.join(part for part in (home, os.environ.get("PYTHONPATH", "")) if part)
    with log.open("wb") as stream:
        child = spawn(
            [sys.executable, "-P", "-m", "dbmirror.sandbox.workspace", str(folder)],
            stdout=stream,
            stderr=stream,
            folder=folder,
            environment={**os.environ, "PYTHONPATH": path},
        )
    write_atomically(folder / "workspace.pid", f"{child.pid}\n".encode())
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if answers(settings.port, settings.token):
            return
        if child.poll() is not None:
            break
        time.sleep(0.05)
    child.kill()
    child.wait()
    said = log.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
    kind = PortTaken if "Address already in use" in said[0] else WorkspaceNotAnswering
    raise kind(
        f"The stand-in workspace did not start on port {settings.port}: {said[0]}.",
        remedy=f"Its log is {log}; 'dbmirror sandbox down' clears what is there.",
    )


def answers(port: int, token: str) -> bool:
    """Whether the workspace that has this token answers on `port`."""
    try:
        ask(port, token, "state", timeout=5)
    except WorkspaceNotAnswering:
        return False
    return True


def ask(
    port: int, token: str, order: str, body: dict[str, Any] | None = None, *, timeout: float = 120
) -> dict[str, Any]:
    """The answer of the workspace's administration to `order`, a question where it has no `body`.

    Only the workspace that has this `token` gives one; it has `timeout` seconds.

    Raises WorkspaceNotAnswering where there is none, or the answer is an error.
    """
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/sandbox/{order}",
        headers={"Authorization": f"Bearer {token}"},
        data=None if body is None else json.dumps(body).encode(),
    )
    try:
        with _DIRECT.open(request, timeout=timeout) as response:
            return decode_json(response.read(LARGEST_ANSWER), dict[str, Any])
    except urllib.error.HTTPError as error:
        with suppress(msgspec.DecodeError, OSError):
            refusal = decode_json(error.read(LARGEST_ANSWER), _Refusal)
            raise WorkspaceNotAnswering(f"The sandbox refused: {foreign_line(refusal.message)}") from error
        raise WorkspaceNotAnswering(f"The sandbox refused with HTTP status {error.code}.") from error
    except (OSError, ValueError, msgspec.DecodeError) as error:
        raise WorkspaceNotAnswering(
            f"The stand-in workspace does not answer on port {port}.", remedy="Run 'dbmirror sandbox up'."
        ) from error


def stop(folder: Path, port: int, token: str) -> None:
    """End the workspace and its drivers, and return when its process is gone; nothing happens if there is none."""
    with suppress(WorkspaceNotAnswering):
        ask(port, token, "stop", {}, timeout=5)
    settings_file(folder).unlink(missing_ok=True)
    try:
        pid = int((folder / "workspace.pid").read_text())
    except (OSError, ValueError):
        return
    deadline = time.monotonic() + _STOP_SECONDS
    while time.monotonic() < deadline and still_runs(pid, "dbmirror.sandbox.workspace", folder):
        time.sleep(0.05)
