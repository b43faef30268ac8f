"""An engine of ipyparallel in a container of the mirrored image; the first one brings the controller with it.

Every engine of a lab runs this same program and shares one folder. Whoever holds that folder's lock runs the
controller beside its engine; when it goes, the lock goes with it, the others lose their controller and end, and their
restart finds a new one.
"""

# ruff: noqa: PTH100, PTH108, PTH110, PTH118, PTH120, PTH123
# Paths are strings here, as those of sys.path are.

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
import time

from start_kernel import arranged

FOLDER = os.environ.get("DBMIRROR_ENGINES") or "/run/dbmirror/engines"
PROFILE = os.path.join(FOLDER, "profile")
"""ipyparallel's profile of the lab: how to reach the controller lies in its folder `security`."""
ENGINE_FILE = os.path.join(PROFILE, "security", "ipcontroller-engine.json")
CLIENT_FILE = os.path.join(PROFILE, "security", "ipcontroller-client.json")


def main() -> None:
    """Be the engine, and the controller's parent if there is none yet."""
    lock = open(os.path.join(FOLDER, "lock"), "w")  # noqa: SIM115  held until the process ends
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pass
    else:
        os.set_inheritable(lock.fileno(), True)
        start_controller()
    while not os.path.exists(ENGINE_FILE):
        time.sleep(0.1)
    patience = ["--timeout=30", "--IPEngine.max_heartbeat_misses=3"]
    options = ["--profile-dir=" + PROFILE, "--file=" + ENGINE_FILE, *patience, "--log-level=WARN"]
    os.execve(  # noqa: S606
        sys.executable, [sys.executable, "-m", "ipyparallel.engine", *options], environment()
    )


def start_controller() -> None:
    """Start the controller on this container's own address."""
    for file in (ENGINE_FILE, CLIENT_FILE):
        if os.path.exists(file):
            os.unlink(file)
    address = socket.gethostbyname(socket.gethostname())
    options = ["--profile-dir=" + PROFILE, "--ip=" + address, "--location=" + address, "--log-level=WARN"]
    command = [sys.executable, "-m", "ipyparallel.controller", *options]
    subprocess.Popen(command, env=environment(), close_fds=False)


def environment() -> dict[str, str]:
    """The environment in which this process and its children have the path of a notebook's kernel, in its order."""
    here = os.path.dirname(os.path.abspath(__file__))
    path = arranged([path for path in sys.path if path != here])
    return dict(os.environ, PYTHONPATH=os.pathsep.join(path))


if __name__ == "__main__":
    main()
