"""The kernel provisioner of the driver's Python: Jupyter's kernel is in the lab, its process on the driver."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any, Final

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase
from traitlets import Float, Unicode

from dbmirror_lab.control import DEFAULT, ControlSocket, DriverError
from dbmirror_lab.dialog import in_lines
from dbmirror_lab.driver_kernel import CLUSTER_ENDED, PORTS, DriverKernel

PASSED_ON: Final = ("DBMIRROR_RUNTIME", "DBMIRROR_MIRROR", "JPY_SESSION_NAME")
"""The only variables of the lab that the driver's kernel gets."""
_CHANNELS: Final = ("shell_port", "iopub_port", "stdin_port", "hb_port", "control_port")
_POLL_SECONDS: Final = 0.05


class DriverProvisioner(KernelProvisionerBase):
    """Starts ipykernel on the driver, and gives Jupyter Unix sockets that lead there."""

    control_socket = Unicode(
        str(DEFAULT), config=True, help="The control socket of the tunnel's SSH connection, in the shared folder."
    )
    grace_seconds = Float(
        600.0, min=1.0, config=True, help="How long a kernel on the driver outlives the connection to the lab."
    )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._kernel: DriverKernel | None = None
        self._folder: Path | None = None
        self._has_started = False

    @property
    def has_process(self) -> bool:
        """Whether a kernel was started and has not been waited for."""
        return self._kernel is not None

    async def poll(self) -> int | None:
        """None while the kernel runs or waits for the connection to come back; else how it ended."""
        return 0 if self._kernel is None else self._kernel.poll()

    async def wait(self) -> int | None:
        """How the kernel ended; returns when nothing is left of it on the driver."""
        if self._kernel is None:
            return 0
        while self._kernel.poll() is None:
            await asyncio.sleep(_POLL_SECONDS)
        return await self._end()

    async def send_signal(self, signum: int) -> None:
        """Send a signal to the kernel's process group; 0 only asks whether it runs."""
        if self._kernel is not None and signum != 0:
            self._kernel.signal(signum)

    async def kill(self, restart: bool = False) -> None:
        """End the kernel and all that it started, now."""
        await self._end()

    async def terminate(self, restart: bool = False) -> None:
        """Ask the kernel's process to end."""
        await self.send_signal(signal.SIGTERM)

    async def cleanup(self, restart: bool = False) -> None:
        """Free what is here; on a restart the sockets come again under the same names, for the clients to find."""
        await self._end()
        if not restart and self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Give the manager its Unix sockets and write the lab's own connection file."""
        manager: Any = self.parent
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="dbmirror-"))
        manager.transport, manager.ip = "ipc", str(self._folder / "s")
        for name, port in zip(_CHANNELS, PORTS):  # noqa: B905  Python 3.8
            setattr(manager, name, port)
        kwargs.pop("extra_arguments", None)
        session = (kwargs.get("env") or {}).get("JPY_SESSION_NAME", "")
        manager.write_connection_file(jupyter_session=session)
        self.connection_info = manager.get_connection_info()
        return await super().pre_launch(cmd=list(self.kernel_spec.argv), **kwargs)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start the kernel on the driver. Raises control.DriverError, whose message is for the user."""
        info = self.connection_info
        key: Any = info["key"]
        connection = {name: info[name] for name in (*_CHANNELS, "signature_scheme")}
        connection["key"] = key.decode("ascii")
        environment = {**os.environ, **(kwargs.get("env") or {})}
        passed = {name: environment[name] for name in PASSED_ON if name in environment}
        control = ControlSocket(path=Path(self.control_socket))
        kernel = DriverKernel(
            control=control,
            prefix=Path(info["ip"]),
            grace=self.grace_seconds,
            log=self.log,
        )
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(None, kernel.start, connection, {**passed, "DBMIRROR_SIDE": "driver"})
        except BaseException as error:
            # Clients that wait for a restart look for the sockets where they were; at a first start there are none.
            if not self._has_started:
                await self.cleanup()
            elif control.state() in CLUSTER_ENDED:
                self._say_it_is_dead()
            if isinstance(error, DriverError):
                raise DriverError(in_lines(str(error))) from error
            raise
        self._kernel, self._has_started = kernel, True
        return info

    def _say_it_is_dead(self) -> None:
        """Have Jupyter call the kernel dead: its own restarts would go on every three seconds, and say 'restarting'.

        A kernel manager has no word for that, and tells its restarter's listeners only after a fifth start that began.
        """
        manager: Any = self.parent
        restarter = getattr(manager, "_restarter", None)
        if restarter is not None:
            restarter._fire_callbacks("dead")
            manager.stop_restarter()

    async def _end(self) -> int | None:
        kernel, self._kernel = self._kernel, None
        if kernel is None:
            return 0
        await asyncio.get_running_loop().run_in_executor(None, kernel.close)
        code = kernel.poll()
        if code and code > 0 and kernel.said.strip():
            self.log.warning("The kernel on the driver ended with exit status %s: %s", code, kernel.said.strip())
        return code
