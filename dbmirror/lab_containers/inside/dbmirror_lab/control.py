"""The tunnel's control socket: commands on the driver and forwards to its Unix sockets, over the one SSH connection."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEFAULT = Path("/run/dbmirror/tunnel/control")
"""Where the tunnel keeps its control socket; `state.json` lies beside it."""


class DriverError(RuntimeError):
    """The driver cannot be used; the message says why, and what helps."""


@dataclass(frozen=True)
class ControlSocket:
    """The socket of an OpenSSH ControlMaster, which may come and go."""

    path: Path

    @property
    def folder(self) -> Path:
        """The folder that the master's process sees under the same name: what it listens at lies here."""
        return self.path.parent

    def alive(self) -> bool:
        """Whether a master answers on the socket; whether its own connection is alive is another question."""
        return self._ssh(["-O", "check"], timeout=5).returncode == 0

    def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0
    ) -> subprocess.CompletedProcess[bytes]:
        """Run `argv` on the driver with `stdin`; exit status 255 is SSH's own failure, or a time-out.

        The user's login shell may write to stdout before the command does.
        """
        return self._ssh([], command=shlex.join(argv), stdin=stdin, timeout=timeout)

    def forward(self, local: Path, remote: str) -> None:
        """Have the master listen at `local`, a Unix socket of mode 0600, for the driver's Unix socket `remote`.

        Raises DriverError where there is no master or it refuses.
        """
        completed = self._ssh(["-O", "forward", "-L", f"{local}:{remote}"], timeout=10)
        if completed.returncode != 0:
            raise self.failure(completed)

    def cancel(self, local: Path, remote: str) -> None:
        """End a forward, if it is there, and remove its socket."""
        self._ssh(["-O", "cancel", "-L", f"{local}:{remote}"], timeout=5)
        local.unlink(missing_ok=True)

    def failure(self, completed: subprocess.CompletedProcess[bytes]) -> DriverError:
        """Why a command over the socket failed: what the tunnel says of itself, else the last line that ssh wrote."""
        published = self._published()
        state, text = str(published.get("state", "")), str(published.get("text", ""))
        if state and state != "connected":
            return DriverError(f"The tunnel has no connection to the driver ({state}). {text}".strip())
        lines = [line for line in completed.stderr.decode(errors="replace").splitlines() if line.strip()]
        said = lines[-1].strip() if lines else f"exit status {completed.returncode}"
        return DriverError(
            f"The tunnel's connection to the driver cannot be used ({said}). "
            "See how the tunnel stands: 'dbmirror lab status'."
        )

    def state(self) -> str:
        """The tunnel's state as it publishes it; empty where it publishes none."""
        return str(self._published().get("state", ""))

    def _published(self) -> dict[str, Any]:
        try:
            document = json.loads((self.folder / "state.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return document if isinstance(document, dict) else {}

    def _ssh(
        self, options: Sequence[str], *, command: str | None = None, stdin: bytes = b"", timeout: float
    ) -> subprocess.CompletedProcess[bytes]:
        # Without a master ssh would connect on its own: the proxy command that fails keeps it from that.
        fixed = ("BatchMode=yes", "ControlMaster=no", "ProxyCommand=false", "LogLevel=ERROR")
        argv = ["ssh", "-F", "none", "-T", "-S", str(self.path)]
        argv += [part for option in fixed for part in ("-o", option)]
        argv += [*options, "driver", *([command] if command else [])]
        try:
            return subprocess.run(argv, input=stdin, capture_output=True, timeout=timeout, check=False)
        except FileNotFoundError as error:
            raise DriverError("There is no 'ssh' program here: install OpenSSH's client.") from error
        except subprocess.TimeoutExpired as error:
            late = f"no answer within {timeout:.0f} s".encode()
            return subprocess.CompletedProcess(argv, 255, error.stdout or b"", (error.stderr or b"") + late)
