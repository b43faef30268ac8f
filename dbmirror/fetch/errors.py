"""What goes wrong while files are fetched."""

from __future__ import annotations

from dbmirror.errors import RemoteError, UsageError


class FetchError(RemoteError):
    """Files cannot be fetched, or are others than those that were locked."""


class StoreError(UsageError):
    """The folder of fetched files cannot be used: no space, no permission."""


class Refused(Exception):
    """One answer of a server that could be reached: an error status, a broken body; the text says what."""

    def __init__(self, text: str, *, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status

    @property
    def passes(self) -> bool:
        """Whether the same question may well be answered a little later: the server is overloaded or broken."""
        return self.status is not None and (self.status == 429 or self.status >= 500)
