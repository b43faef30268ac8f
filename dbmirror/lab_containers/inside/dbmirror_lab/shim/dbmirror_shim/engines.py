"""`engines()`: a client of ipyparallel's engines, which are the lab's containers, or processes on the driver."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from dbmirror_shim.errors import Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FOLDER = Path(os.environ.get("DBMIRROR_ENGINES") or "/run/dbmirror/engines")
"""Where the lab's engines leave how to reach them; a volume that all of its containers share."""
CLIENT_FILE = FOLDER / "profile" / "security" / "ipcontroller-client.json"
ANSWER_SECONDS = 10.0
"""For the controller's answer; after that the file is read again: a controller that was restarted writes a new one."""


def engines(count: int = 2, *, timeout: float = 60.0) -> Any:
    """A client with at least `count` engines, within `timeout` seconds; ipyparallel's own `Client`.

    In the lab they are containers of the mirrored image, on the driver processes that end with the notebook.
    Raises Unavailable.
    """
    try:
        import ipyparallel  # type: ignore[import-not-found]  # noqa: PLC0415
    except ImportError as error:
        raise Unavailable(
            "engines: ipyparallel is not installed where this kernel runs, and nothing is added there."
        ) from error
    if os.environ.get("DBMIRROR_SIDE") == "driver":
        cluster = ipyparallel.Cluster(n=count, log_level=30)
        before = os.environ.get("PYTHONPATH")
        # The controller and the engines are processes of their own: they get this one's path, in its order.
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        try:
            return cluster.start_and_connect_sync(activate=False)
        finally:
            os.environ.pop("PYTHONPATH")
            if before is not None:
                os.environ["PYTHONPATH"] = before
    deadline = time.monotonic() + timeout
    how = f"Start them beside the lab: docker compose up -d --scale engine={count}"
    while True:
        while not CLIENT_FILE.is_file():
            if time.monotonic() > deadline:
                raise Unavailable(f"engines: none of the lab's engines runs. {how}")
            time.sleep(0.2)
        left = max(1.0, deadline - time.monotonic())
        try:
            client = ipyparallel.Client(str(CLIENT_FILE), timeout=min(ANSWER_SECONDS, left))
            client.wait_for_engines(count, timeout=max(1.0, deadline - time.monotonic()), interactive=False)
        except (TimeoutError, OSError) as error:
            if time.monotonic() > deadline:
                raise Unavailable(f"engines: fewer than {count} of them answer. {how}") from error
            time.sleep(0.2)
        else:
            return client
