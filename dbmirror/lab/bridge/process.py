"""A lab's bridge seen from outside: start it, say how it stands, end it."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from dbmirror.errors import RemoteError
from dbmirror.files import canonical_json, write_atomically
from dbmirror.lab.bridge.files import (
    BridgeFiles,
    Order,
    Record,
    make_folder,
    read_order,
    read_record,
    read_words,
    write_order,
)
from dbmirror.lab_containers.tunnel.bridge_client import DOOR
from dbmirror.processes.child import spawn
from dbmirror.processes.identity import started

_START_SECONDS: Final = 20.0
_STOP_SECONDS: Final = 8.0


class BridgeFailed(RemoteError):
    """The bridge did not start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeState:
    """How the bridge of a lab stands whose driver is reached with a ProxyCommand."""

    running: bool
    said: str
    """What the last ProxyCommand said on stderr, on one line; empty where it said nothing."""


def ensure(files: BridgeFiles, order: Order) -> None:
    """Let a bridge run that does `order`, whatever its token is; one that does already goes on.

    Raises BridgeFailed.
    """
    present = read_order(files)
    if present is not None and runs(files) and _does(present, order):
        return
    stop(files)
    make_folder(files)
    write_order(files, order)
    with files.output.open("wb") as output:
        files.output.chmod(0o600)
        child = spawn(
            [sys.executable, "-P", "-m", "dbmirror.lab.bridge", str(files.private)],
            stdout=output,
            stderr=output,
            folder=files.private,
        )
    record = Record(pid=child.pid, started=started(child.pid) or "")
    write_atomically(files.record, canonical_json(record), mode=0o600)
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and child.poll() is None:
        if files.door.is_file():
            return
        time.sleep(0.02)
    said = files.output.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
    stop(files)
    raise BridgeFailed(f"The bridge that runs the ProxyCommand of your ssh config did not start: {said[0][:300]}.")


def _does(present: Order, order: Order) -> bool:
    """Whether one bridge can stay for another. One whose key agent ended, as with a login session, cannot."""
    if present.agent != order.agent and present.agent is not None and not Path(present.agent).exists():
        return False
    return msgspec.structs.replace(order, token=present.token, agent=present.agent) == present


def runs(files: BridgeFiles) -> bool:
    """Whether the process that was started as this bridge still runs."""
    record = read_record(files)
    return record is not None and bool(record.started) and started(record.pid) == record.started


def state(files: BridgeFiles) -> BridgeState | None:
    """How it stands; None where this lab needs none."""
    if read_order(files) is None:
        return None
    words = read_words(files)
    return BridgeState(running=runs(files), said=" | ".join(words.lines) if words else "")


def stop(files: BridgeFiles) -> None:
    """End the bridge and its ProxyCommands; nothing happens where there is none."""
    record = read_record(files)
    files.order.unlink(missing_ok=True)
    if record is not None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not runs(files):
                break
            os.kill(record.pid, number)
            until = time.monotonic() + _STOP_SECONDS
            while runs(files) and time.monotonic() < until:
                time.sleep(0.02)
        files.record.unlink(missing_ok=True)
    for name in (DOOR, files.socket.name, files.said.name):
        (files.folder / name).unlink(missing_ok=True)
