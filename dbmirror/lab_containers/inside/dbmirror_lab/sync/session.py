"""An SFTP session over the tunnel's connection: paramiko speaks SFTP, OpenSSH's client carries it."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import cast

from paramiko import Channel, SFTPClient, SSHException
from paramiko.sftp import SFTPError

from dbmirror_lab.sync import quiet_ssh
from dbmirror_lab.sync.limits import SILENT_SECONDS
from dbmirror_lab.sync.report import Problem

_VERSION = re.compile(rb"\x00\x00[\x00-\x0f].\x02\x00\x00\x00\x03", re.DOTALL)
"""How the server's first packet begins: its length, its type, version 3. No text holds that."""


class Carrier:
    """What paramiko takes for a channel: the ends of an ssh child that runs the SFTP subsystem."""

    def __init__(self, control: Path) -> None:
        self._child = subprocess.Popen(
            [*quiet_ssh.ssh(control), "-s", "driver", "sftp"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        if self._child.stdin is None or self._child.stdout is None:
            raise OSError("no pipes")
        self._in, self._out = self._child.stdin, self._child.stdout
        self._ahead: bytes | None = None
        """Bytes that were read and not yet handed on; None while the login shell may still speak."""

    def send(self, data: bytes) -> int:
        """Write some of `data`; how much."""
        if self._in.closed:
            raise BrokenPipeError
        return os.write(self._in.fileno(), data)

    def recv(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end."""
        if self._ahead is None:
            self._ahead = self._after_noise()
        if self._ahead:
            data, self._ahead = self._ahead[:size], self._ahead[size:]
            return data
        return self._read(size)

    def recv_ready(self) -> bool:
        """Whether `recv` would return at once."""
        return bool(self._ahead) or bool(select.select([self._out], [], [], 0)[0])

    def get_name(self) -> str:
        """For paramiko's log."""
        return "sftp"

    def kill(self) -> None:
        """End the child at once; at any moment of all else here, for this is what a signal calls."""
        if self._child.returncode is None:
            # Popen's own way takes a lock, which the code that the signal came to may hold.
            with suppress(ProcessLookupError):
                os.kill(self._child.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the child."""
        self._in.close()
        try:
            self._child.wait(2.0)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._out.close()

    def _read(self, size: int) -> bytes:
        if not select.select([self._out], [], [], SILENT_SECONDS)[0]:
            raise ConnectionResetError(f"the driver said nothing for {SILENT_SECONDS:g} s")
        return os.read(self._out.fileno(), size)

    def _after_noise(self) -> bytes:
        seen = b""
        while len(seen) < quiet_ssh.MOST_NOISE:
            block = self._read(1 << 16)
            if not block:
                return b""
            seen += block
            found = _VERSION.search(seen)
            if found is not None:
                return seen[found.start() :]
        return b""


def open_session(control: Path) -> SFTPClient:
    """A session with the driver. Raises Problem where it has no SFTP either."""
    carrier = Carrier(control)
    try:
        # Of a channel, paramiko uses what Carrier has.
        return SFTPClient(cast(Channel, carrier))
    except (SSHException, SFTPError, OSError):
        carrier.close()
        raise Problem(
            "The driver has no rsync, and its SSH server offers no SFTP.",
            remedy="Install rsync on the driver, for example with an init script.",
        ) from None
