"""What is sent to the driver: the launcher with what it imports as one script, and the files of the notebook shim."""

from __future__ import annotations

import io
import zipfile
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
SHIM = HERE / "shim"
_MODULES = ("link",)
"""What the launcher imports, in order."""


@cache
def launcher() -> bytes:
    """The launcher, as one script that imports nothing but the standard library."""
    parts = ["import sys\n"]
    for package in ("dbmirror_lab", "dbmirror_lab.sent"):
        parts.append(f"sys.modules[{package!r}] = type(sys)({package!r})\n")
    for module in _MODULES:
        name = f"dbmirror_lab.sent.{module}"
        source = (HERE / "sent" / f"{module}.py").read_text(encoding="utf-8")
        parts.append(f"module = sys.modules[{name!r}] = type(sys)({name!r})\n")
        parts.append(f"exec(compile({source!r}, {name!r}, 'exec'), module.__dict__)\n")
    source = (HERE / "sent" / "launcher.py").read_text(encoding="utf-8")
    parts.append(f"exec(compile({source!r}, 'dbmirror_lab.sent.launcher', 'exec'))\n")
    return "".join(parts).encode("utf-8")


@cache
def shim_files() -> dict[str, bytes]:
    """The kernel's start script, and a zip file of the shim that it puts last on the path; name to content."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(SHIM.glob("dbmirror_shim/*.py")):
            archive.writestr(zipfile.ZipInfo(f"dbmirror_shim/{path.name}"), path.read_bytes())
    return {"start_kernel.py": (SHIM / "start_kernel.py").read_bytes(), "shim.zip": content.getvalue()}
