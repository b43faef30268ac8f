"""The ways to a cluster's driver: SSH, or commands that the workspace runs; and what one can say of the other."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from dbmirror.errors import DbmirrorError
from dbmirror.hosts.context_errors import ContextError
from dbmirror.hosts.interface import Host
from dbmirror.hosts.ssh_errors import HostKeyChanged, HostKeyForeign, HostKeyUnknown, SshError
from dbmirror.progress import Observer

if TYPE_CHECKING:
    from dbmirror.hosts.host_key import HostKey

SECONDS_FOR_SSH: Final = 10.0
"""How long a driver's port may take to answer where there is another way: most workspaces close it without a word."""
_A_STRANGER: Final = (HostKeyChanged, HostKeyForeign, HostKeyUnknown)
"""Somebody answers who may be in between: a reason to stop, not to look for another way."""


class Way(StrEnum):
    """How the driver is read."""

    SSH = "ssh"
    API = "api"


class DriverUnknown(SshError):
    """The workspace states no address of the driver, and the configuration neither."""


class NoSshWay(SshError):
    """What the workspace states of the cluster rules SSH out."""


def first_that_works(ssh: Callable[[], Host], api: Callable[[], Host], *, observer: Observer) -> Host:
    """The driver over SSH, else by the workspace's API.

    Raises the error of SSH, which says of the API why it is none either; at once where a stranger answers over SSH.
    """
    try:
        return ssh()
    except SshError as error:
        if isinstance(error, _A_STRANGER):
            raise
        try:
            host = api()
        except ContextError as other:
            error.remedy = f"{error.remedy} The workspace's API is no other way: {other}".strip()
            raise error from other
        observer.note(f"The driver is read by the workspace's API, for SSH does not work: {error.message}")
        return host


def driver_keys(api: Callable[[], Host], *, port: int) -> tuple[HostKey, ...] | None:
    """The driver's host keys, as the workspace's API reads them; None where it cannot."""
    from dbmirror.workspace.driver_keys import read_driver_keys  # noqa: PLC0415

    try:
        return read_driver_keys(api(), port=port) or None
    except DbmirrorError:
        return None
