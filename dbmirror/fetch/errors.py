"""What goes wrong while files are fetched."""

from __future__ import annotations

from dbmirror.errors import RemoteError, UsageError


class FetchError(RemoteError):
    """Files cannot be fetched, or are others than those that were locked."""


class StoreError(UsageError):
    """The folder of fetched files cannot be used: no space, no permission."""
