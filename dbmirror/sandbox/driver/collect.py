"""Runs in the image's build: sorts the pins by what the index has, and builds wheels of what is there only as source.

Reads packages.txt and build-constraints.txt beside it; writes wheels/, installable.txt and report.json, which names
every pin that cannot be installed with the reason.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
INSTALLER = "/opt/uv/bin/uv"


def pins() -> list[str]:
    """The pins of packages.txt without comments."""
    lines = ((line.partition("#")[0]).strip() for line in (HERE / "packages.txt").read_text().splitlines())
    return [line for line in lines if line]


def has_wheel(pin: str) -> bool:
    """Whether the index has a wheel of `pin` that this Python can install."""
    command = [INSTALLER, "pip", "compile", "-q", "--no-deps", "--only-binary", ":all:", "--python", "/usr/bin/python3"]
    completed = subprocess.run([*command, "-"], input=pin.encode(), capture_output=True, check=False)
    return completed.returncode == 0


def build(pin: str) -> str:
    """Build a wheel of `pin` into wheels/; the reason why not, else the empty string."""
    command = [
        "/opt/uv/bin/pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-input",
        "--use-pep517",
        "-w",
        str(HERE / "wheels"),
        pin,
    ]
    constraints = str(HERE / "build-constraints.txt")
    environment = {**os.environ, "PIP_CONSTRAINT": constraints}
    completed = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)
    if completed.returncode == 0:
        return ""
    if "No matching distribution" in completed.stderr:
        return "the index has no such version"
    errors = [line.strip() for line in completed.stderr.splitlines() if re.search(r"error", line, re.IGNORECASE)]
    # The first one is the compiler's or the build backend's own; pip's summaries come after it.
    own = [line for line in errors if "subprocess-exited-with-error" not in line] or ["no reason given"]
    return f"its source does not build: {own[0]}"[:300]


def main() -> None:
    """Sort, build, write."""
    wanted = pins()
    (HERE / "wheels").mkdir(exist_ok=True)
    with ThreadPoolExecutor(8) as pool:
        wheels = dict(zip(wanted, pool.map(has_wheel, wanted), strict=True))
    sources = [pin for pin in wanted if not wheels[pin]]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        reasons = {pin: reason for pin, reason in zip(sources, pool.map(build, sources), strict=True) if reason}
    installable = [pin for pin in wanted if pin not in reasons]
    (HERE / "installable.txt").write_text("".join(f"{pin}\n" for pin in installable))
    (HERE / "report.json").write_text(json.dumps({"pins": len(wanted), "missing": reasons}, indent=2, sort_keys=True))


if __name__ == "__main__":
    main()
