"""The lease of a kernel on the driver: it shows the tunnel whether the kernel's lab still runs."""

from __future__ import annotations

import fcntl
import os
import secrets
from contextlib import suppress
from pathlib import Path

from dbmirror_lab.control import DriverError


class Lease:
    """A file `lease-NAME` in the folder that lab and tunnel share, which this process holds with a lock.

    The lock goes with the process, however it ends. The tunnel takes a lease without a lock for a kernel that nobody
    will come back to: it tells the keeper of that name on the driver to end, and removes the file.
    """

    def __init__(self, folder: Path) -> None:
        """Take a new lease. Raises DriverError where the folder cannot be written to."""
        self.name = secrets.token_hex(8)
        """Names the kernel's folder on the driver, too: a lab that is killed before it hears of it leaves its name."""
        self._path = folder / f"lease-{self.name}"
        hidden = folder / f".lease-{self.name}"
        try:
            self._descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            # Locked before the tunnel can see it under its name: there is no moment in which nobody holds it.
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            hidden.rename(self._path)
        except OSError as error:
            raise DriverError(
                f"The folder that the lab shares with the tunnel, {folder}, cannot be used ({error.strerror})."
            ) from error

    def end(self) -> None:
        """Nothing is left of the kernel: the tunnel has nothing to do."""
        with suppress(OSError):
            self._path.unlink()
        self.leave()

    def leave(self) -> None:
        """Leave the kernel, or what may be left of it, to the tunnel."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1
