"""Starts a notebook's kernel with the shim: in the mirrored environment as it is, or on the driver.

The path is the one that Databricks' own notebooks have, nearest first: the cluster's Spark, the notebook's
environment if one is named, the cluster's libraries, the runtime, what belongs to the system, the edge libraries.
Whatever the lab adds (this shim, the Spark client, ipyparallel) comes after all of that, so that it hides nothing.
"""

# ruff: noqa: PTH100, PTH110, PTH118, PTH120, PTH207
# Paths are strings here, as those of sys.path are.

from __future__ import annotations

import os
import site
import sys
from glob import glob

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))
SPARK = os.environ.get("SPARK_HOME") or "/databricks/spark"
CLUSTER_LIBRARIES = "/local_disk0/.ephemeral_nfs/cluster_libraries/python"
EDGE_LIBRARIES = "/databricks/.python_edge_libs"


def main() -> None:
    """Arrange the path, and become the kernel."""
    sys.path[:] = arranged([path for path in sys.path if os.path.abspath(path or ".") != HERE])
    from ipykernel.kernelapp import IPKernelApp  # noqa: PLC0415

    if os.environ.get("DBMIRROR_SIDE") == "driver":
        close_tcp_port()
    application: Any = IPKernelApp.instance()
    application.initialize(sys.argv[1:])
    application.shell.extension_manager.load_extension("dbmirror_shim")
    application.start()


def close_tcp_port() -> None:
    """Let the output of forked processes come in by a Unix socket; ipykernel 6 and 7 open a port on loopback for it."""
    import zmq  # noqa: PLC0415
    from ipykernel.iostream import IOPubThread  # noqa: PLC0415
    from zmq.eventloop.zmqstream import ZMQStream  # noqa: PLC0415

    address = "ipc://" + os.path.join(HERE, "forked")

    def set_up_incoming(self: Any) -> None:
        self._pipe_uuid = os.urandom(16)
        incoming = self.socket.context.socket(zmq.PULL)
        incoming.linger = 0
        incoming.bind(address)
        self._pipe_in = ZMQStream(incoming, self.io_loop)
        self._pipe_in.on_recv(self._handle_pipe_msg)

    def set_up_outgoing(self: Any) -> tuple[Any, Any]:
        context = zmq.Context()  # a context does not survive a fork
        outgoing = context.socket(zmq.PUSH)
        outgoing.linger = 3000
        outgoing.connect(address)
        return context, outgoing

    IOPubThread._setup_pipe_in = set_up_incoming  # type: ignore[method-assign]
    IOPubThread._setup_pipe_out = set_up_outgoing  # type: ignore[method-assign]


def arranged(path: list[str]) -> list[str]:
    """The interpreter's own `path` with the folders of the cluster before and behind it."""
    first = [os.path.join(SPARK, "python"), *sorted(glob(os.path.join(SPARK, "python", "lib", "py4j-*.zip")))]
    for environment in (os.environ.get("DBMIRROR_NOTEBOOK_ENVIRONMENT", ""), CLUSTER_LIBRARIES):
        series = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        first += added(os.path.join(environment, "lib", series, "site-packages")) if environment else []
    zipped = os.path.join(HERE, "shim.zip")
    extra = os.environ.get("DBMIRROR_EXTRA_PATH", "").split(os.pathsep)
    last = [EDGE_LIBRARIES, zipped if os.path.exists(zipped) else HERE, *extra]
    # The interpreter's own path starts with its standard library; packages begin where the first site folder does.
    sites = [place for place, folder in enumerate(path) if folder.endswith(("site-packages", "dist-packages"))]
    middle = sites[0] if sites else len(path)
    wanted = [*path[:middle], *first, *path[middle:], *last]
    return [folder for folder in dict.fromkeys(wanted) if folder and os.path.exists(folder)]


def added(folder: str) -> list[str]:
    """A site folder with what its .pth files add."""
    before = list(sys.path)
    site.addsitedir(folder)
    found = [entry for entry in sys.path if entry not in before]
    sys.path[:] = before
    return found


if __name__ == "__main__":
    main()
