"""Take the inventory of a host: one exec, nothing written there."""

from __future__ import annotations

from dbmirror.hosts.interface import Host
from dbmirror.inventory.assemble import assemble
from dbmirror.inventory.collector_answer import decode
from dbmirror.inventory.model import Inventory
from dbmirror.inventory.sent_programs import run_program


def collect(host: Host, *, interpreter: str | None = None, timeout: float = 60.0) -> Inventory:
    """What is installed on `host`; the same state gives an equal value, and equal bytes as canonical JSON.

    Without `interpreter` it is about `/databricks/python3` and the layers around it where they are there, else about
    the first Python found; with it (a path or name on the host) about that interpreter's own environment.
    `timeout` is in seconds. Raises NoPythonFound, ScriptFailed, PayloadDamaged (all InventoryError), and HostError.
    """
    which = "best" if interpreter is None else "own"
    payload = run_program(host, "collector", [which], interpreter=interpreter, timeout=timeout)
    return assemble(decode(payload, host=host.name), host=host.name)
