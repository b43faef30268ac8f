"""`python -m dbmirror.lab.bridge FOLDER`: a lab's bridge, until its lab ends. `lab up` starts it."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from dbmirror.lab.bridge.files import BridgeFiles, read_order
from dbmirror.lab.bridge.server import Bridge


def main(private: Path) -> int:
    """The bridge's whole life."""
    files = BridgeFiles(private)
    order = read_order(files)
    if order is None:
        print("there is nothing to do for it", file=sys.stderr)
        return 2
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    Bridge(files, order).run(stop.is_set)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
