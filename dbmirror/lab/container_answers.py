"""What the lab's containers say of themselves: every value checked once, for what runs in them can write it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from dbmirror.foreign_text.decoding import decode_json
from dbmirror.lab_containers.tunnel.state import State

_Text = Annotated[str, Meta(max_length=4096)]
_Count = Annotated[int, Meta(ge=0)]


class TunnelState(msgspec.Struct, frozen=True, kw_only=True):
    """The tunnel's state file, which lab_containers/tunnel/state.py writes."""

    schema: int
    mirror: _Text
    cluster: _Text
    state: State
    text: _Text
    since: _Text
    updated: float
    address: _Text | None = None
    cluster_state: _Text | None = None
    failures: _Count = 0
    forwards: tuple[_Count, ...] = ()


class KernelAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A kernel, as JupyterLab's API lists it."""

    name: _Text = ""
    execution_state: _Text = ""
    last_activity: _Text = ""
    connections: _Count = 0


def read_tunnel_state(content: str) -> dict[str, Any] | None:
    """The document in the tunnel's state file; None where it is none, which the next state of the tunnel mends."""
    try:
        document: dict[str, Any] = msgspec.to_builtins(decode_json(content, TunnelState))
    except msgspec.DecodeError:
        return None
    return document


def read_kernels(content: bytes) -> tuple[KernelAnswer, ...] | None:
    """The kernels that JupyterLab lists; None where its answer is no such list."""
    try:
        return decode_json(content, tuple[KernelAnswer, ...])
    except msgspec.DecodeError:
        return None
