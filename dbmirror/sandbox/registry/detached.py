"""The sandbox's registry as a process of its own, which outlives the command that started it."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

import msgspec
from msgspec import Struct

from dbmirror.files import canonical_json, write_atomically
from dbmirror.folders import make_private
from dbmirror.foreign_text.decoding import decode_json
from dbmirror.processes.child import spawn
from dbmirror.sandbox.background import still_runs
from dbmirror.sandbox.registry.server import RegistryMissing, start
from dbmirror.sandbox.registry.tokens import Kind

STATE_FILE = "registry.json"
_MODULE = "dbmirror.sandbox.registry"
_LOCK_FILE = "registry.lock"
_LOG_FILE = "registry.log"
_PATIENCE = 30.0
"""Seconds that the process gets to start, and to end."""


class DetachedRegistry(Struct, frozen=True):
    """What the process writes about itself, for the owner's eyes only: the password is good on loopback alone."""

    host: str
    kind: Kind
    pid: int
    username: str
    password: str

    def __repr__(self) -> str:
        return f"DetachedRegistry(host={self.host!r}, kind={self.kind!r}, pid={self.pid})"


def start_detached(kind: Kind, *, folder: Path, lifetime: float) -> DetachedRegistry:
    """A registry that ends after `lifetime` seconds, or at `stop_detached`; its state stands in `folder`, one in each.

    One that runs there already is left running and returned. Raises RegistryMissing where docker-registry is not
    installed or does not start.
    """
    make_private(folder)
    running = read_detached(folder)
    if running is not None:
        return running
    (folder / STATE_FILE).unlink(missing_ok=True)
    log = folder / _LOG_FILE
    # -P: a module of the folder that the user stands in, which may be a clone, is none of this program's.
    argv = [sys.executable, "-P", "-m", _MODULE, kind, str(folder), f"{lifetime:g}"]
    with log.open("wb") as stream:
        process = spawn(argv, stdout=stream)
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        state = read_detached(folder)
        if state is not None:
            return state
        time.sleep(0.05)
    process.kill()
    process.wait()
    words = log.read_text(errors="replace").strip().splitlines()
    raise RegistryMissing(words[-1] if words else "The sandbox's registry does not start.")


def read_detached(folder: Path) -> DetachedRegistry | None:
    """The registry whose state stands in `folder`; None where there is none, or its process is gone."""
    try:
        state = decode_json((folder / STATE_FILE).read_bytes(), DetachedRegistry)
        with (folder / _LOCK_FILE).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        # The process holds its lock as long as it lives; its id alone may be another's by now.
        return state
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return None


def stop_detached(folder: Path) -> bool:
    """End the registry whose state stands in `folder`, with its docker-registry; False where there is none."""
    state = read_detached(folder)
    if state is None:
        return False
    os.kill(state.pid, signal.SIGTERM)
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and still_runs(state.pid, _MODULE, folder):
        time.sleep(0.05)
    return True


def serve(kind: Kind, folder: Path, lifetime: float) -> None:
    """Run a registry in this process, with its state in `folder`, until `lifetime` is over or SIGTERM comes."""
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        ended.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    path = folder / STATE_FILE
    with (folder / _LOCK_FILE).open("wb") as lock, start(kind, lifetime=lifetime + _PATIENCE) as registry:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        state = DetachedRegistry(
            host=registry.host,
            kind=kind,
            pid=os.getpid(),
            username=registry.account.username,
            password=registry.account.password,
        )
        write_atomically(path, canonical_json(state), mode=0o600)
        ended.wait(lifetime)
    path.unlink(missing_ok=True)
