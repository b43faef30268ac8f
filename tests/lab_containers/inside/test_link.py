"""The link: streams that outlive their connection."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from dbmirror_lab.sent import link as module
from dbmirror_lab.sent.link import CREDIT, Link, Mismatch, serve


class Pair:
    """Two ends in one process, with a stream's outer sockets."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.heard: list[dict[str, Any]] = []
        self.far: dict[int, socket.socket] = {}
        self.near_link = Link(self.selector, on_order=lambda _: None)
        self.far_link = Link(self.selector, on_order=self.heard.append, on_open=self.opened)
        self.ports: list[int] = []

    def opened(self, number: int, port: int) -> None:
        self.ports.append(port)
        self.far[number], inner = socket.socketpair()
        self.far_link.adopt(number, inner)

    def open(self, number: int, port: int = 3) -> socket.socket:
        outer, inner = socket.socketpair()
        self.near_link.open(number, port, inner)
        return outer

    def connect(self) -> None:
        near, far = socket.socketpair()
        self.near_link.attach(near)
        self.far_link.attach(far)

    def cut(self) -> None:
        self.near_link.detach()
        self.far_link.detach()

    def pump(self, until: Callable[[], bool], turns: int = 5000) -> None:
        for _ in range(turns):
            if until():
                return
            serve(self.selector, 0.01)
            self.near_link.tick()
            self.far_link.tick()
        raise AssertionError("it did not come to that")


@pytest.fixture
def pair() -> Pair:
    return Pair()


def drain(outer: socket.socket, into: bytearray) -> None:
    outer.setblocking(False)
    try:
        while read := outer.recv(1 << 20):
            into += read
    except BlockingIOError:
        pass


def numbered(size: int) -> bytes:
    return b"".join(n.to_bytes(4, "big") for n in range(size // 4))


def test_bytes_pass_both_ways(pair: Pair) -> None:
    near = pair.open(1)
    pair.connect()
    pair.pump(lambda: 1 in pair.far)
    near.sendall(b"question")
    got = bytearray()
    pair.pump(lambda: drain(pair.far[1], got) or bytes(got) == b"question")
    pair.far[1].sendall(b"answer")
    back = bytearray()
    pair.pump(lambda: drain(near, back) or bytes(back) == b"answer")


def test_the_port_that_a_channel_is_for_arrives(pair: Pair) -> None:
    pair.open(1, port=5)
    pair.connect()
    pair.pump(lambda: pair.ports == [5])


def test_what_is_under_way_when_the_connection_is_cut_arrives_once_and_in_order(pair: Pair) -> None:
    near = pair.open(1)
    near.setblocking(False)
    pair.connect()
    pair.pump(lambda: 1 in pair.far)
    sent = numbered(6 << 20)
    left = memoryview(sent)
    got = bytearray()
    for turn in range(100_000):
        if left:
            with suppress(BlockingIOError):
                left = left[near.send(left[:200_000]) :]
        serve(pair.selector, 0.001)
        drain(pair.far[1], got)
        if turn % 37 == 36 and len(got) < len(sent):
            pair.cut()
            pair.connect()
        if len(got) == len(sent):
            break
    assert bytes(got) == sent


def test_a_channel_that_is_opened_without_a_connection_is_there_when_it_comes(pair: Pair) -> None:
    near = pair.open(1)
    near.sendall(b"early")
    serve(pair.selector, 0.01)
    pair.connect()
    pair.pump(lambda: 1 in pair.far)
    got = bytearray()
    pair.pump(lambda: drain(pair.far[1], got) or bytes(got) == b"early")


def test_the_end_of_a_stream_arrives_after_its_last_byte(pair: Pair) -> None:
    near = pair.open(1)
    near.sendall(b"last words")
    near.close()
    pair.connect()
    pair.pump(lambda: 1 in pair.far)
    pair.pump(lambda: bool(pair.near_link.idle and pair.far_link.idle))
    far = pair.far[1]
    far.setblocking(False)
    pair.pump(lambda: far.recv(100, socket.MSG_PEEK) == b"last words")
    assert far.recv(100) == b"last words"
    assert far.recv(100) == b""


def test_a_refused_channel_closes(pair: Pair) -> None:
    pair.far_link._on_open = lambda number, _: pair.far_link.adopt(number, None)
    near = pair.open(1)
    near.setblocking(False)
    pair.connect()

    def closed() -> bool:
        try:
            return near.recv(1) == b""
        except BlockingIOError:
            return False

    pair.pump(closed)


def test_a_reader_that_does_not_read_stops_its_own_channel_only(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CREDIT", 1 << 20)
    stuck, free = pair.open(1), pair.open(2)
    pair.connect()
    pair.pump(lambda: len(pair.far) == 2)
    stuck.setblocking(False)
    taken = 0
    for _ in range(400):
        with suppress(BlockingIOError):
            taken += stuck.send(b"x" * 65536)
        serve(pair.selector, 0)
    assert taken < 4 << 20, "it was read without end"
    free.sendall(b"through")
    got = bytearray()
    pair.pump(lambda: drain(pair.far[2], got) or bytes(got) == b"through")


def test_a_reader_that_reads_gets_more_than_the_credit(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CREDIT", 1 << 20)
    near = pair.open(1)
    near.setblocking(False)
    pair.connect()
    pair.pump(lambda: 1 in pair.far)
    got = bytearray()
    sent = 0
    for _ in range(20_000):
        if sent < 5 << 20:
            with suppress(BlockingIOError):
                sent += near.send(b"y" * 65536)
        serve(pair.selector, 0)
        drain(pair.far[1], got)
        if sent >= 5 << 20 and len(got) == sent:
            break
    assert len(got) == sent > 5 * module.CREDIT - 65536


def test_what_an_interrupted_link_keeps_is_bounded(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CREDIT", 1 << 20)
    near = pair.open(1)
    near.setblocking(False)
    taken = 0
    for _ in range(400):
        with suppress(BlockingIOError):
            taken += near.send(b"x" * 65536)
        serve(pair.selector, 0)
    assert sum(map(len, pair.near_link._kept)) < (1 << 20) + 10_000
    assert CREDIT > 1 << 20


def test_orders_arrive_once_across_an_interruption(pair: Pair) -> None:
    pair.near_link.order({"n": 1})
    pair.connect()
    pair.near_link.order({"n": 2})
    pair.pump(lambda: len(pair.heard) == 2)
    pair.cut()
    pair.near_link.order({"n": 3})
    pair.connect()
    pair.pump(lambda: len(pair.heard) == 3)
    assert pair.heard == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_a_silent_connection_is_given_up(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENCE", 0.2)
    near, silent = socket.socketpair()
    pair.near_link.attach(near)
    pair.pump(lambda: not pair.near_link.connected)
    silent.close()


def test_an_end_that_has_nothing_to_say_is_not_silent(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENCE", 0.5)
    monkeypatch.setattr(module, "BEAT", 0.05)
    pair.connect()
    pair.pump(lambda: pair.near_link.greeted and pair.far_link.greeted)
    for _ in range(100):
        serve(pair.selector, 0.01)
        pair.near_link.tick()
        pair.far_link.tick()
    assert pair.near_link.connected
    assert pair.far_link.connected


def test_another_program_in_place_of_the_other_end_is_noticed(pair: Pair) -> None:
    pair.near_link.order({"n": 1})
    pair.connect()
    pair.pump(lambda: pair.near_link.idle)
    stranger = Link(pair.selector, on_order=lambda _: None)
    near, far = socket.socketpair()
    pair.far_link.detach()
    pair.near_link.attach(near)
    stranger.attach(far)
    with pytest.raises(Mismatch):
        pair.pump(lambda: False, turns=50)
