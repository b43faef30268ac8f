"""The kinds of registries, a module each: a new one is there as soon as its module is in this folder."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dbmirror.publish.registries.kind import RegistryKind

KINDS: Final = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))
"""Their names, as dbmirror.toml writes them."""


@cache
def kind_named(name: str) -> RegistryKind:
    """The kind of one of the names in KINDS; its module is read now, since some import much."""
    kind: RegistryKind = import_module(f"{__name__}.{name}").KIND
    return kind
