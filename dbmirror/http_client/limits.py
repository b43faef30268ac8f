"""What one request may take: seconds in all, bytes before its body, bytes of its body."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

from dbmirror.http_client.refused import Cause, Refused

PAGE_SECONDS = 60.0
"""For a page with all its retries: a large project page takes some seconds over a slow line."""
FILE_SECONDS = 3600.0
"""For a file with all its retries: 2.5 GB, the largest wheels there are, at 6 Mbit/s."""
IDLE_SECONDS = 30.0
"""Without a single byte: a server that says nothing for so long has gone."""
SLOWEST = 1024
"""Bytes a second, over IDLE_SECONDS: a body that drips more slowly has no end."""
CONNECT_SECONDS = 10.0
"""For the connection to one of a host's addresses: the next one may be alive."""
LARGEST_HEADER = 256 << 10
"""Bytes before the body: single headers of 64 KiB and 100 of them, which is where Python stops, would be 6.5 MB."""
LARGEST_PAGE = 64 << 20
"""Bytes, before and after decompression: the largest project pages of PyPI have some 20 MB."""
LARGEST_FILE = 8 << 30
"""Bytes: no package file comes near it."""
REDIRECTS = 10
ATTEMPTS = 4
"""Of one request, for failures that pass."""


@dataclass(slots=True, kw_only=True)
class Limits:
    """What is left to the request under way; the connection asks here before each read."""

    end: float
    """On the monotonic clock."""
    seconds: float
    """What there was in all, for the message."""
    idle: float = IDLE_SECONDS
    allow: Callable[[str], None] | None = None
    """Raises Refused for an address that may not be connected to; None where any may."""
    left: int = LARGEST_HEADER
    """Bytes that may still be read off the socket."""
    body: int = LARGEST_PAGE
    """Bytes that the body may have."""
    _window: tuple[float, int] = (0.0, 0)
    """When the present stretch of IDLE_SECONDS began, and the bytes that came in it."""

    def wait(self) -> float:
        """Seconds that the next read may wait. Raises Refused where the time is over."""
        left = self.end - time.monotonic()
        if left <= 0:
            raise self.late()
        return min(left, self.idle)

    def late(self) -> Refused:
        """What to raise where the time is over."""
        return Refused(f"gave no whole answer within {self.seconds:g} s", cause=Cause.TIMEOUT)

    def take(self, size: int) -> None:
        """Count `size` bytes that were read. Raises Refused where they are too many, or come too slowly."""
        self.left -= size
        if self.left < 0:
            raise Refused("sent more than an answer may have", cause=Cause.TOO_LARGE)
        began, count = self._window
        taken = time.monotonic() - began
        self._window = (began, count + size)
        if taken >= self.idle:
            if count + size < SLOWEST * taken:
                raise Refused(f"sends less than {SLOWEST} bytes a second", cause=Cause.TIMEOUT)
            self._window = (time.monotonic(), 0)

    def header_begins(self) -> None:
        """Count for a header from here on."""
        self.left = LARGEST_HEADER
        self._window = (time.monotonic(), 0)

    def body_begins(self) -> None:
        """Count for a body from here on: what frames its chunks may take as much again in small ones."""
        self.left = 2 * self.body + LARGEST_HEADER
        self._window = (time.monotonic(), 0)


CURRENT: ContextVar[Limits] = ContextVar("limits of the request under way")
