"""What runs in the lab can write what its containers say of themselves: a value of another kind is no answer."""

from __future__ import annotations

import json

import pytest

from dbmirror.lab.container_answers import KernelAnswer, read_kernels, read_tunnel_state
from dbmirror.lab_containers.tunnel.state import State, Status, document


def test_the_state_that_the_tunnel_writes_is_read() -> None:
    status = Status(State.CONNECTED, "Connected.", since=0.0, address="10.0.0.4:2200", cluster_state="RUNNING")
    written = document(status, mirror="demo", cluster="1120-1", forwards=(4040,), at=1.0)
    assert json.dumps(read_tunnel_state(json.dumps(written))) == json.dumps(written)


@pytest.mark.parametrize(
    "change",
    [{"state": "fine"}, {"state": 1}, {"text": ["x"]}, {"cluster": None}, {"failures": -1}, {"forwards": "4040"}],
)
def test_a_state_with_a_value_of_another_kind_is_none(change: dict[str, object]) -> None:
    status = Status(State.CONNECTED, "Connected.", since=0.0)
    written = document(status, mirror="demo", cluster="1120-1", forwards=(), at=1.0)
    assert read_tunnel_state(json.dumps({**written, **change})) is None


@pytest.mark.parametrize("content", ["", "[]", "null", "{}", "[" * 100_000, '{"state": "connected"}', "\ud800"])
def test_what_is_no_state_is_none(content: str) -> None:
    assert read_tunnel_state(content) is None


def test_kernels_are_read_and_other_answers_are_none() -> None:
    kernel = {"name": "python3", "execution_state": "idle", "last_activity": "2026-01-01T00:00:00Z", "connections": 1}
    assert read_kernels(json.dumps([{**kernel, "id": "x"}]).encode()) == (KernelAnswer(**kernel),)
    for content in (b"{}", b"[1]", b'[{"name": 1}]', b'[{"connections": "many"}]', b'{"message": "no"}', b"\xff"):
        assert read_kernels(content) is None
