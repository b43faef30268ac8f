"""The program that a host's Python gets on stdin for an inventory: brings back raw bits of files, writes nothing.

Started as `python -I -S -B - NONCE WHICH [FOLDER]`, with the other modules of this package bundled in front of it.
`-S` keeps the host's own .pth and sitecustomize code from running; what those would add to the path is read here.
NONCE marks the frame of the answer; WHICH is `own` for the interpreter's own environment, `best` for Databricks'
where there is one. With FOLDER it is about the files in there, of a host that does not run: about Databricks'
environment, and what only a running host can tell (its variables) is left out.
"""

from __future__ import annotations

import json
import sys
import zlib

from dbmirror.inventory.sent.distributions import python_folders
from dbmirror.inventory.sent.files import look_below
from dbmirror.inventory.sent.frame import send
from dbmirror.inventory.sent.python_environment import describe_environment, interpreters
from dbmirror.inventory.sent.system import dpkg_owners, dpkg_status, facts, jars, r_libraries, variables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

WIRE = 1
"""The version of the wire shape, which inventory/collector_answer.py reads."""


def main(arguments: list[str]) -> None:
    """Collect, and send the result in its frame."""
    nonce, which = arguments[:2]
    if arguments[2:]:
        look_below(arguments[2])
    document = json.dumps(collect(own=which == "own", here=not arguments[2:]), ensure_ascii=True, separators=(",", ":"))
    send(nonce, [zlib.compress(document.encode("ascii"), 6)])


def collect(*, own: bool, here: bool = True) -> dict[str, Any]:
    """Everything that is known of the host, as the wire shape; `here` where it is the one that this runs on."""
    errors: list[dict[str, Any]] = []
    environment = describe_environment(own=own)
    owners = dpkg_owners(errors)
    return {
        "wire": WIRE,
        "python": environment["python"],
        "interpreters": interpreters(environment["python"]),
        "folders": python_folders(environment, owners, errors),
        "r_libraries": r_libraries(owners, errors),
        "dpkg_status": dpkg_status(errors),
        "jars": jars(errors),
        "facts": facts(errors),
        "variables": variables() if here else {"names": [], "values": {}},
        "errors": errors,
    }


if __name__ == "__main__":
    main(sys.argv[1:])
