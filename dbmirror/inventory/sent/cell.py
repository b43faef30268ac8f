"""The program of a notebook cell: collects on the driver, and shows the answer as text that survives being copied.

The cell's own line calls `main`. Each line that it shows has a mark, the answer's hash, its number and the number of
lines, a part of the answer and that part's checksum: whatever stands around and between them is no matter.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import zlib
from contextlib import suppress

from dbmirror.hosts.sent.unprivileged import become_user

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PART = 1000
"""Letters of the answer in a line."""
MOST_PRINTED = 45_000
"""Runtimes up to 16.4 show 50,000 characters of what a cell prints, and 20 MB of HTML."""
SECONDS = 120
TAGS = ("clusterId", "clusterName", "sparkVersion", "clusterNodeType", "driverNodeType", "dataSecurityMode")


def main(state: dict[str, Any], shell: str, candidates: list[str], program: bytes) -> None:
    """Collect with the first of the Pythons `candidates` that `shell` finds, and show the answer; `state` are the
    notebook's variables.
    """
    nonce = os.urandom(16).hex()
    done = subprocess.run(
        ["sh", "-c", shell, "dbmirror", *candidates, "--", nonce, "best"],
        input=program,
        capture_output=True,
        cwd="/",
        timeout=SECONDS,
        preexec_fn=become_user,
        check=False,
    )
    header = {"cell": 1, "nonce": nonce, "code": done.returncode, "cluster": cluster(state)}
    answer = json.dumps(header).encode("ascii") + b"\n" + zlib.compress(done.stdout, 9)
    if done.returncode:
        print(done.stderr.decode("utf-8", "replace")[-2000:])
    show(state, "\n".join(lines(answer)))


def cluster(state: dict[str, Any]) -> dict[str, str]:
    """What Spark's settings and the environment say of the cluster, where they may be read."""
    found = {}
    for tag in TAGS:
        # There may be no Spark, no such setting, or none that this user may read.
        with suppress(Exception):
            found[tag] = str(state["spark"].conf.get("spark.databricks.clusterUsageTags." + tag))[:500]
    for name in ("DATABRICKS_RUNTIME_VERSION", "SPARK_SCALA_VERSION", "DB_CLUSTER_ID"):
        if name in os.environ:
            found[name] = os.environ[name][:500]
    return found


def lines(answer: bytes) -> list[str]:
    """The answer in lines of letters, digits, `-`, `_` and `~`: no page, shell or mail escapes those."""
    letters = base64.urlsafe_b64encode(answer).decode("ascii").rstrip("=")
    parts = [letters[start : start + PART] for start in range(0, len(letters), PART)]
    mark = hashlib.sha256(answer).hexdigest()
    shown = []
    for number, part in enumerate(parts, 1):
        checksum = format(zlib.crc32(f"{number}~{part}".encode("ascii")), "08x")
        shown.append(f"dbm1~{mark}~{number}~{len(parts)}~{part}~{checksum}~")
    return shown


def show(state: dict[str, Any], text: str) -> None:
    """Print it, or show it as a page where it is longer than what is shown of print."""
    display = state.get("displayHTML")
    if len(text) <= MOST_PRINTED or not callable(display):
        print(text)
        return
    display(
        "<p>Click into the field, select all, copy, and save it as a file:</p>"
        f"<textarea readonly rows='12' style='width: 100%' onfocus='this.select()'>{text}</textarea>"
    )
