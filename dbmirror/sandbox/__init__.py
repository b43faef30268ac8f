"""A stand-in workspace and driver, so that everything runs without a cloud account."""

from dbmirror.sandbox.clusters import Happening, happen
from dbmirror.sandbox.lifecycle import down, status, up
from dbmirror.sandbox.state import SandboxState

__all__ = ["Happening", "SandboxState", "down", "happen", "status", "up"]
