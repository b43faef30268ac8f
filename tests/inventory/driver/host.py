"""The captured driver as a host: the collector runs in a real Python and finds the files at the driver's paths."""

from __future__ import annotations

import re
import shutil
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

from dbmirror.hosts.interface import Completed
from dbmirror.hosts.local import LocalHost
from dbmirror.inventory.assemble import assemble
from dbmirror.inventory.collector_answer import decode
from dbmirror.inventory.model import Inventory
from dbmirror.inventory.sent_programs import run_program
from dbmirror.processes.programs import LARGEST_OUTPUT

TREE = Path(__file__).parent / "tree"
_PATH = re.compile(rb'"(/(?:databricks|local_disk0|etc|opt|usr|var)\b)')
"""How a path of the driver begins in the collector."""


class DriverHost(LocalHost):
    """This machine, on which the collector finds below `root` what it looks for at the root."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def name(self) -> str:
        return "the captured driver"

    def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0, limit: int = LARGEST_OUTPUT
    ) -> Completed:
        moved = _PATH.sub(b'"' + str(self.root).encode() + rb"\1", stdin)
        return super().run(argv, stdin=moved, timeout=timeout, limit=limit)


def driver_tree(folder: Path) -> Path:
    """A copy of the captured files below `folder`, to be changed by a test."""
    root = folder / "driver"
    shutil.copytree(TREE, root)
    python = root / "databricks" / "python3" / "bin" / "python3"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    for owned in (root / "var" / "lib" / "dpkg" / "info").iterdir():
        owned.write_text("".join(f"{root}{line}\n" for line in owned.read_text().splitlines()))
    return root


def collect_driver(root: Path) -> Inventory:
    """What the collector finds there, with the driver's own paths."""
    host = DriverHost(root)
    payload = run_program(host, "collector", ["best"], interpreter=sys.executable, timeout=60)
    answer = zlib.decompress(payload).replace(str(root).encode(), b"")
    return assemble(decode(zlib.compress(answer), host=host.name), host=host.name)
