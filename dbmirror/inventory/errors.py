"""What can go wrong when a program is sent to a host's Python and its answer is read."""

from __future__ import annotations

from dbmirror.errors import RemoteError


class InventoryError(RemoteError):
    """A host did not yield its inventory."""


class NoPythonFound(InventoryError):
    """The host has no Python of 3.8 or later that starts."""


class ScriptFailed(InventoryError):
    """The program that was sent to the host's Python ended with an error."""


class PayloadDamaged(InventoryError):
    """The answer is missing, cut short, mixed with other output, or not of the expected shape."""


class CaptureError(InventoryError):
    """An installed distribution cannot be packed into a wheel again; the message says why."""
