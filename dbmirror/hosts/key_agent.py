"""The user's key agent, as the ssh config chooses it for a host."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import paramiko
from paramiko.agent import AgentSSH

_SECONDS = 10.0
"""How long an agent may take to list its keys."""


class _Agent(AgentSSH):
    """The agent at a socket of the user's; paramiko's own knows no other than SSH_AUTH_SOCK."""

    def __init__(self, path: str) -> None:
        super().__init__()
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(_SECONDS)
            connection.connect(path)
            self._connect(connection)  # type: ignore[attr-defined]
            # A person may have to confirm that the key is used.
            connection.settimeout(None)
        except BaseException:
            connection.close()
            raise

    def close(self) -> None:
        """End the connection."""
        self._close()  # type: ignore[attr-defined]


@contextmanager
def open_agent(chosen: str | None) -> Iterator[tuple[paramiko.AgentKey, ...]]:
    """The keys of the agent that IdentityAgent has `chosen`; None for SSH_AUTH_SOCK's. They sign inside the context.

    No keys where it is `none`, and where no agent answers: OpenSSH goes on without it, too.
    """
    path = os.environ.get("SSH_AUTH_SOCK", "") if chosen in {None, "SSH_AUTH_SOCK"} else chosen
    if not path or path == "none":
        yield ()
        return
    try:
        agent = _Agent(path)
    except (OSError, paramiko.SSHException):
        yield ()
        return
    try:
        yield agent.get_keys()
    finally:
        agent.close()
