"""Captures the miniature driver: `python tests/inventory/driver/capture.py CONTAINER`, of a sandbox with R.

    dbmirror sandbox up --r
    python tests/inventory/driver/capture.py "$(docker ps --quiet --filter label=dev.dbmirror.sandbox | head -1)"

What it takes of the driver is in KEPT: a few packages of each layer, byte for byte but for the text below a METADATA's
header, which nobody reads, and the content of jars, of which only the names count.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

TREE = Path(__file__).parent / "tree"
_PYTHON = (
    "PyYAML|certifi|requests|six|urllib3|dbmirror_sandbox_\\w+|half_removed|unreadable_notes|lazr_uri|simplejson"
    "|humanize|setuptools"
)
_METADATA = r"(METADATA|RECORD|INSTALLER|WHEEL|direct_url\.json|entry_points\.txt)"
_SITE = (
    r"(databricks/python3|local_disk0/\.ephemeral_nfs/(cluster_libraries/python|envs/pythonEnv-[^/]+)|usr/local)"
    r"/lib/python3\.\d+/(site|dist)-packages"
)
_R = "SparkR|base|utils|MASS|R6|base64enc|sandbox\\w+"
KEPT = re.compile(
    rf"{_SITE}/({_PYTHON})-[^/]+\.dist-info/{_METADATA}"
    rf"|{_SITE}/(_virtualenv|distutils-precedence|lazr\.uri[^/]*)\.pth"
    rf"|databricks/\.python_edge_libs/six-[^/]+\.dist-info/{_METADATA}"
    r"|usr/lib/python3/dist-packages/(python_apt|dbus_python|distro_info)-[^/]+\.egg-info(/PKG-INFO)?"
    rf"|(databricks/spark/R/lib|local_disk0/\.ephemeral_nfs/cluster_libraries/r|usr/(local/)?lib/R/(site-)?library)/({_R})"
    r"/DESCRIPTION"
    r"|databricks/(DBR_VERSION|spark/VERSION|common/conf/deploy\.conf|jars/[^/]+)"
    r"|(databricks/python3|local_disk0/\.ephemeral_nfs/(cluster_libraries/python|envs/pythonEnv-[^/]+))/pyvenv\.cfg"
    r"|usr/lib/os-release|var/lib/dpkg/(status|info/(python3-(apt|dbus|distro-info)|r-cran-(mass|r6|base64enc)|"
    r"r-base-core)\.list)"
)
_DEBIAN = {"apt", "libc6", "python3-apt", "python3-dbus", "python3-distro-info", "r-base-core"} | {
    f"r-cran-{name}" for name in ("mass", "r6", "base64enc")
}


def shortened(name: str, content: bytes) -> bytes:
    """What of the file `name` is kept."""
    if "/jars/" in name:
        return b""
    if name.endswith("/METADATA"):
        return content.partition(b"\n\n")[0] + b"\n"
    if name.endswith("dpkg/status"):
        stanzas = content.split(b"\n\n")
        return b"\n\n".join(each for each in stanzas if each.split(b"\n")[0][9:].decode() in _DEBIAN) + b"\n"
    if name.endswith(".list"):
        lines = content.splitlines(keepends=True)
        return b"".join(line for line in lines if line.rstrip().endswith((b"-info", b"/DESCRIPTION")))
    # Where the sandbox served its files is another place on each machine.
    return re.sub(rb"http://172\.[0-9.:]+/", b"http://files.example/", content)


def main(container: str) -> None:
    """Write the tree anew."""
    shutil.rmtree(TREE, ignore_errors=True)
    with subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE) as export:
        assert export.stdout is not None
        with tarfile.open(fileobj=export.stdout, mode="r|") as archive:
            for member in archive:
                stream = archive.extractfile(member) if member.isfile() and KEPT.fullmatch(member.name) else None
                if stream is not None:
                    path = TREE / member.name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(shortened(member.name, stream.read()))


if __name__ == "__main__":
    main(sys.argv[1])
