"""Lets single modules of databricks-sdk be imported without its package's own code, which imports every service.

That code takes 1.4 s of processor time, whichever part is wanted; what dbmirror needs of the SDK takes 0.3 s. So the
package is empty when it is imported: its modules can be imported as ever, and the first name that only its own code
defines (`WorkspaceClient`) runs that code.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Final

_PACKAGE: Final = "databricks.sdk"
NEEDED: Final = ("config.py", "core.py", "clock.py", "errors/__init__.py", "service/compute.py")
"""The modules that dbmirror imports. Where one is missing, the SDK has another layout, and is imported plainly."""


def watch() -> None:
    """From now on the SDK's package is empty when it is imported, unless it was imported already."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds the SDK's package, for Python's import."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The package with a loader that puts its code off; None for all other modules."""
        spec = PathFinder.find_spec(fullname, path, target) if fullname == _PACKAGE else None
        if spec is None or spec.loader is None or not _is_as_known(spec):
            return None
        spec.loader = _Later(spec.loader)
        return spec


class _Later(Loader):
    """Loads a package by running its code when the first name that the code defines is looked for."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._once = threading.RLock()

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As the loader itself does it."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module empty, but for the question after a name that it lacks (PEP 562)."""

        def look_up(name: str) -> Any:
            is_special = name.startswith("__") and name.endswith("__")
            if is_special or find_spec(f"{_PACKAGE}.{name}") is not None:
                # A module of the package, which Python imports itself after this answer.
                raise AttributeError(f"module {_PACKAGE!r} has no attribute {name!r}")
            with self._once:
                if module.__dict__.pop("__getattr__", None) is not None:
                    self._loader.exec_module(module)
            return getattr(module, name)

        module.__dict__["__getattr__"] = look_up


def _is_as_known(spec: ModuleSpec) -> bool:
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    return all(any((folder / name).is_file() for folder in folders) for name in NEEDED)
