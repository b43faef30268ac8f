"""What the lab's containers are to a kernel: a control socket to the sandbox's driver, and a notebook on it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dbmirror.lab_containers
from dbmirror.lab_containers.tunnel.leases import Orphans

INSIDE = Path(dbmirror.lab_containers.__file__).parent / "inside"
SHIM = INSIDE / "dbmirror_lab" / "shim"
for folder in (INSIDE, SHIM):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from jupyter_client import KernelManager  # noqa: E402
from jupyter_client.kernelspec import KernelSpecManager  # noqa: E402

BARE_KERNEL = ("/databricks/python3/bin/python", "-c", "import IPython, ipykernel.ipkernel, ipykernel.kernelapp")
"""What every kernel on the driver begins with, whoever starts it."""
READY_RATIO = 5
"""A notebook may take so many times as long as BARE_KERNEL until it is ready; on a quiet machine it takes three."""


def duration(act: Callable[[], object]) -> float:
    """Seconds that `act` takes."""
    begin = time.monotonic()
    act()
    return time.monotonic() - begin


@dataclass
class Tunnel:
    """An OpenSSH master to the driver, with its control socket in a folder that two containers would share."""

    address: str
    key: Path
    container: str
    folder: Path
    forwards: tuple[str, ...] = ()

    @property
    def control(self) -> Path:
        return self.folder / "control"

    def connect(self) -> None:
        self.control.unlink(missing_ok=True)
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes")
        argv = ["ssh", "-F", "none", "-M", "-N", "-f", "-S", str(self.control), "-i", str(self.key), "-p", "2200"]
        argv += [word for option in options for word in ("-o", option)]
        argv += [word for forward in self.forwards for word in ("-L", forward)]
        subprocess.run(
            [*argv, f"ubuntu@{self.address}"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    @property
    def pid(self) -> int:
        argv = ["ssh", "-F", "none", "-S", str(self.control), "-O", "check", "driver"]
        said = subprocess.run(argv, capture_output=True, text=True, check=True).stderr
        found = re.search(r"pid=(\d+)", said)
        assert found
        return int(found[1])

    def cut(self) -> None:
        """End the connection as a machine does that loses its power: without a word."""
        os.kill(self.pid, signal.SIGKILL)

    def leases(self) -> list[Path]:
        return list(self.folder.glob("lease-*"))

    @contextmanager
    def minded(self) -> Iterator[None]:
        """While this lasts, kernels whose lab is gone are ended, as the tunnel's supervisor does."""
        orphans, over = Orphans(self.control), threading.Event()

        def mind() -> None:
            while not over.wait(0.25):
                if self.control.exists():
                    orphans.look(now=time.monotonic(), at=time.time())

        thread = threading.Thread(target=mind)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def on_driver(self, script: str) -> str:
        argv = ["docker", "exec", self.container, "sh", "-c", script]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    def left_on_driver(self) -> list[str]:
        """The processes and files of kernels that are on the driver."""
        found = self.on_driver(
            "ps -eo user,args | grep '^ubuntu' | grep -v sshd || true; ls -d /tmp/dbmirror-* || true"
        )
        return found.splitlines()

    def nothing_is_left(self, seconds: float = 10) -> None:
        await_that(lambda: self.left_on_driver() == [], seconds, say=self.left_on_driver)


@contextmanager
def tunnel_to(state: dict[str, Any], *, forwards: tuple[str, ...] = ()) -> Iterator[Tunnel]:
    """A tunnel to the driver of the sandbox whose status is `state`."""
    key = Path(state["profile_file"]).parent / f"id_{state['profile']}"
    # A Unix socket's path has to be short.
    with tempfile.TemporaryDirectory(prefix="tunnel-", dir="/tmp") as folder:
        tunnel = Tunnel(state["driver_address"], key, state["driver_container"], Path(folder), forwards)
        tunnel.connect()
        try:
            yield tunnel
        finally:
            if tunnel.control.exists():
                subprocess.run(["ssh", "-F", "none", "-S", str(tunnel.control), "-O", "exit", "driver"], check=False)


@dataclass
class Reply:
    """What a cell brought."""

    status: str
    text: str
    data: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""


class Notebook:
    """A notebook with the driver's kernel."""

    def __init__(self, tunnel: Tunnel, *, grace: float = 60) -> None:
        specs = tunnel.folder / "kernels" / "driver"
        specs.mkdir(parents=True, exist_ok=True)
        config = {"control_socket": str(tunnel.control), "grace_seconds": grace}
        metadata = {"kernel_provisioner": {"provisioner_name": "dbmirror-driver", "config": config}}
        spec = {"argv": ["ipykernel"], "display_name": "Driver", "language": "python", "metadata": metadata}
        (specs / "kernel.json").write_text(json.dumps(spec))
        self.manager = KernelManager(
            kernel_name="driver", kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(specs.parent)])
        )

    def __enter__(self) -> Notebook:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.client.stop_channels()
        if self.manager.has_kernel:
            self.manager.shutdown_kernel(now=True)

    def start(self) -> None:
        self.manager.start_kernel()
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=30)

    def run(self, code: str, *, timeout: float = 60, answer: str | None = None) -> Reply:
        reply = Reply("", "")

        def hear(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                reply.text += content["text"]
            elif message["msg_type"] in {"execute_result", "display_data"}:
                reply.data.append(content["data"])
            elif message["msg_type"] == "error":
                reply.error = f"{content['ename']}: {content['evalue']}"

        def ask(_: dict[str, Any]) -> None:
            self.client.input(answer or "")

        done = self.client.execute_interactive(
            code, timeout=timeout, output_hook=hear, allow_stdin=answer is not None, stdin_hook=ask
        )
        reply.status = done["content"]["status"]
        return reply


def await_that(condition: Callable[[], object], seconds: float, *, say: Callable[[], object] = lambda: "") -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError(f"it did not come to that within {seconds} s: {say()}")
