"""The loop: look for the driver, connect, watch, begin again; every change is published."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from . import bridge, transitions
from .bridge_client import DOOR
from .connection import NotConnected, connect
from .leases import Orphans
from .settings import Settings
from .state import Status, document, publish, say
from .transitions import Memory, Trouble
from .workspace import Found, look_up

TICK_SECONDS = 0.25
WATCH_SECONDS = 10.0
"""How often a connection is asked whether it still carries."""
HEARTBEAT_SECONDS = 10.0
"""How often the state file is written even where nothing changed."""
HEAR_SECONDS = 2.0
"""How soon it is published that a ProxyCommand takes its time, and how often what it says."""
LAST_SECONDS = 3.0
"""How long a tunnel that is to stop waits for what is left on the driver to end."""


class Stopped(Exception):
    """The tunnel is to stop in the middle of an attempt."""


class Watched(Protocol):
    """What the loop needs of a connection."""

    def ended(self) -> bool:
        """Whether it is gone."""

    def last_words(self) -> str:
        """What ssh said last."""

    def answers(self) -> bool:
        """Whether the driver answers through it."""

    def close(self) -> None:
        """End it."""


@dataclass(frozen=True)
class World:
    """Everything outside the loop; the tests put in their own."""

    look_up: Callable[[Settings], Found] = look_up
    connect: Callable[[Settings, str, Callable[[], None]], Watched] = connect
    orphans: Callable[[Settings], Orphans] = lambda settings: Orphans(settings.control)
    monotonic: Callable[[], float] = time.monotonic
    clock: Callable[[], float] = time.time
    wait: Callable[[float], None] = time.sleep
    publish: Callable[[Settings, dict[str, Any]], None] = lambda settings, content: publish(
        settings.state_file, content
    )
    say: Callable[[str], None] = say
    given: Callable[[Settings], object] = lambda settings: tuple(
        path.stat().st_mtime_ns if path.is_file() else None
        for path in (settings.known_hosts, settings.key, settings.token, settings.bridge / DOOR)
    )
    """What is compared to see that a pin, a key, a token or the bridge was renewed."""
    greet: Callable[[Settings], object] = bridge.greet
    said: Callable[[Settings], tuple[float, str]] = bridge.said
    """What the ProxyCommand says."""


class Supervisor:
    """Runs the state machine against the world."""

    def __init__(self, settings: Settings, world: World | None = None) -> None:
        self.settings = settings
        self.world = world or World()
        self.connection: Watched | None = None
        self.orphans = self.world.orphans(settings)
        self.memory: Memory = transitions.begin(now=self.world.monotonic(), at=self.world.clock())
        self._given = self.world.given(settings)
        self._watched = 0.0
        self._greeted = self._heard = self._said_before = 0.0
        self._stopping: Callable[[], bool] = lambda: False
        self._published: tuple[float, Status | None] = (0.0, None)

    def run(self, stopping: Callable[[], bool]) -> None:
        """Go on until `stopping` says so; then end what no lab minds any more, and close the connection."""
        self._stopping = stopping
        self._publish()
        try:
            while not stopping():
                self.step()
                self.world.wait(TICK_SECONDS)
        except Stopped:
            pass
        finally:
            if self.connection is not None:
                try:
                    self._end_last_orphans()
                finally:
                    self.connection.close()

    def step(self) -> None:
        """One turn: whatever is due now."""
        given = self.world.given(self.settings)
        if given != self._given:
            self._given = given
            self.memory = transitions.renewed(self.memory, now=self.world.monotonic())
        if self.connection is not None:
            self._watch(self.connection)
            if self.connection is not None:
                self._end_orphans()
        elif self.world.monotonic() >= self.memory.next_attempt:
            self._attempt()
        self._greet()
        self._publish()

    def _greet(self) -> None:
        """Let the bridge know that it is still needed: also while the cluster is down, when nothing connects."""
        now = self.world.monotonic()
        if self.settings.bridge_seconds is not None and now - self._greeted >= HEARTBEAT_SECONDS:
            self._greeted = now
            self.world.greet(self.settings)

    def _waiting(self) -> None:
        """Called while an attempt goes on, which a ProxyCommand can draw out for minutes."""
        if self._stopping():
            raise Stopped
        now = self.world.monotonic()
        if self.settings.bridge_seconds is None or now - self._heard < HEAR_SECONDS:
            return
        self._heard = now
        started, said = self.world.said(self.settings)
        words = said if started != self._said_before else ""
        self.memory = transitions.waiting(self.memory, words, at=self.world.clock())
        self._publish()

    def _attempt(self) -> None:
        world = self.world
        found = world.look_up(self.settings)
        self.memory = transitions.looked_up(
            self.memory,
            found,
            port=self.settings.port,
            now=world.monotonic(),
            at=world.clock(),
            only_running=self.settings.may_start_cluster and self.settings.workspace is not None,
        )
        if self.memory.status.address is None or found.address is None:
            return
        self._heard, self._said_before = world.monotonic(), world.said(self.settings)[0]
        try:
            self.connection = world.connect(self.settings, found.address, self._waiting)
        except NotConnected as error:
            self.memory = transitions.failed(
                self.memory,
                error.trouble,
                error.said,
                found,
                now=world.monotonic(),
                at=world.clock(),
                jump=error.jump,
                costly=self.settings.bridge_seconds is not None,
            )
            return
        self._watched = world.monotonic()
        self.memory = transitions.connected(self.memory, now=world.monotonic(), at=world.clock())

    def _watch(self, connection: Watched) -> None:
        now = self.world.monotonic()
        if not connection.ended():
            if now - self._watched < WATCH_SECONDS:
                return
            if connection.answers():
                self._watched = self.world.monotonic()
                return
        connection.close()
        self.connection = None
        self.memory = transitions.failed(
            self.memory,
            Trouble.LOST,
            connection.last_words(),
            Found(),
            now=self.world.monotonic(),
            at=self.world.clock(),
        )

    def _end_orphans(self, *, at_once: bool = False) -> None:
        known = self.orphans.stuck
        ended = self.orphans.look(now=self.world.monotonic(), at=self.world.clock(), at_once=at_once)
        if ended:
            count = "1 kernel" if ended == 1 else f"{ended} kernels"
            self.world.say(f"Ended {count} on the driver whose lab is gone.")
        for name in sorted(self.orphans.stuck - known):
            self.world.say(
                f"The driver's temporary folder 'dbmirror-kernel-{name}' of a kernel whose lab is gone could not be "
                "removed, as with files of root in it. It is tried again, less and less often."
            )

    def _end_last_orphans(self) -> None:
        """Wait a moment for what is left on the driver to end: nobody is there to end it afterwards."""
        self._end_orphans(at_once=True)
        until = self.world.monotonic() + LAST_SECONDS
        while self.orphans.left and self.world.monotonic() < until:
            self.world.wait(TICK_SECONDS)
            self._end_orphans(at_once=True)

    def _publish(self) -> None:
        at, before = self._published
        now, status = self.world.clock(), self.memory.status
        if status == before and now - at < HEARTBEAT_SECONDS:
            return
        settings = self.settings
        text = re.sub(r"(?<='dbmirror )([a-z ]+) MIRROR(?=')", rf"\1 {settings.mirror}", status.text)
        shown = replace(status, text=text)
        self.world.publish(
            settings,
            document(shown, mirror=settings.mirror, cluster=settings.cluster, forwards=settings.forwards, at=now),
        )
        if before is None or (before.state, before.text) != (status.state, status.text):
            self.world.say(f"{status.state.value}: {text}")
        self._published = (now, status)
