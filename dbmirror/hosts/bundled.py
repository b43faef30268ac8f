"""A program that is sent somewhere, with the modules that it imports, as one script without further imports."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

_IMPORT = re.compile(r"^from (dbmirror\.(?:hosts|inventory)\.sent\.\w+) import", re.MULTILINE)


@cache
def bundled(main: str) -> bytes:
    """The module `main` (`dbmirror.inventory.sent.collector`) with the modules of a `sent` package that it imports."""
    order: list[str] = []

    def visit(name: str) -> None:
        for needed in _IMPORT.findall(_source(name)):
            visit(needed)
        if name not in order:
            order.append(name)

    visit(main)
    parts = ["import sys\n"]
    for name in order[:-1]:
        parts.append(f"module = sys.modules[{name!r}] = type(sys)({name!r})\n")
        parts.append(f"exec(compile({_source(name)!r}, {name!r}, 'exec'), module.__dict__)\n")
    parts.append(f"exec(compile({_source(main)!r}, {main!r}, 'exec'))\n")
    return "".join(parts).encode("utf-8")


def _source(name: str) -> str:
    package, _, module = name.rpartition(".")
    return resources.files(package).joinpath(f"{module}.py").read_text(encoding="utf-8")
