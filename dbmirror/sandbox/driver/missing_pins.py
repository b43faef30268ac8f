"""Runs in the image's build, with the runtime's Python: says which pins of the list the finished driver lacks, and why.

Reads packages.txt and report.json beside it (see collect.py) and writes the final report to the path it is given.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    """Compare every pin with what the interpreter finds, apt's distributions included."""
    reasons: dict[str, str] = json.loads((HERE / "report.json").read_text())["missing"]
    lines = [line.partition("#")[0].strip() for line in (HERE / "packages.txt").read_text().splitlines()]
    pins = [line for line in lines if line]
    missing = {}
    for pin in pins:
        name, _, wanted = pin.partition("==")
        try:
            found = version(name)
        except PackageNotFoundError:
            found = ""
        if found != wanted:
            reason = reasons.get(pin, "it was installed and is not there")
            missing[pin] = f"{reason}; apt brings version {found}" if found else reason
    Path(sys.argv[1]).write_text(json.dumps({"pins": len(pins), "missing": missing}, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
