"""The notebook cell that takes an inventory where no other way leads to the driver."""

from __future__ import annotations

import base64
import textwrap
import zlib

from dbmirror.hosts.bundled import bundled
from dbmirror.inventory.sent_programs import CANDIDATES, PICK

HEADING = "# A cell of dbmirror for a Python notebook on the cluster."


def notebook_cell(mirror: str) -> str:
    """The cell's text. What it shows, `inventory/pasted.py` reads. The same version gives the same text."""
    programs = {"main": _packed("cell"), "sent": _packed("collector")}
    variables = "\n".join(f'_dbmirror_{name} = """\n{packed}\n"""' for name, packed in programs.items())
    return f"""{HEADING}
# It reads what is installed on the driver, changes nothing there, and shows the answer as text. Run it, copy all that
# it shows into a file, and then:  dbmirror snapshot {mirror} --from FILE
# Its programs are dbmirror's modules inventory/sent/cell.py and collector.py, compressed.
import base64, zlib
{variables}
_dbmirror = {{"__name__": "dbmirror_cell"}}
_dbmirror_unpack = lambda text: zlib.decompress(base64.b64decode(text))
exec(_dbmirror_unpack(_dbmirror_main), _dbmirror)
_dbmirror["main"](globals(), {PICK!r}, {list(CANDIDATES)!r}, _dbmirror_unpack(_dbmirror_sent))
"""


def _packed(program: str) -> str:
    packed = base64.b64encode(zlib.compress(bundled(f"dbmirror.inventory.sent.{program}"), 9)).decode()
    return textwrap.fill(packed, 118)
