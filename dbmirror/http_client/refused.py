"""Why a server's answer, or what it was asked for, cannot be used."""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """What kind of end a request came to."""

    NOT_FOUND = "not found"
    FORBIDDEN = "forbidden"
    UNAUTHORISED = "unauthorised"
    THROTTLED = "throttled"
    BROKEN = "server broken"
    STATUS = "another status"
    GARBAGE = "garbage"
    CUT = "cut short"
    TIMEOUT = "timeout"
    TOO_LARGE = "too large"
    ADDRESS = "refused address"
    REDIRECT = "bad redirect"
    TLS = "TLS"
    DNS = "DNS"
    CONNECTION = "connection"
    CLOSED = "closed"
    """The server closed the connection before it answered."""
    PROXY = "proxy"
    UNUSABLE = "unusable"
    """No server is to blame: what was asked for has a form that cannot be used."""


PASSING = frozenset(
    {Cause.THROTTLED, Cause.BROKEN, Cause.GARBAGE, Cause.CUT, Cause.TIMEOUT, Cause.CONNECTION, Cause.CLOSED}
)
"""The same question may well be answered a little later."""
UNREACHED = frozenset({Cause.TIMEOUT, Cause.TLS, Cause.DNS, Cause.CONNECTION, Cause.CLOSED, Cause.PROXY})
"""The server gave no answer at all."""


class Refused(Exception):
    """No usable answer. The text is the rest of a sentence that begins with who was asked: `answered 403 Forbidden`."""

    def __init__(
        self, text: str, *, cause: Cause = Cause.UNUSABLE, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(text)
        self.cause = cause
        self.status = status
        """The HTTP status, where there was one."""
        self.retry_after = retry_after
        """Seconds that the server asks to wait."""

    @property
    def is_absence(self) -> bool:
        """Whether the server said that it does not have what it was asked for."""
        return self.cause is Cause.NOT_FOUND
