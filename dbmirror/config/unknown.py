"""Names of dbmirror.toml that are no settings: which one, what is known in its place, and which of those is nearest."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

from msgspec import inspect


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownSetting:
    """A name that the file has and its types do not."""

    section: str
    """Where it stands, as TOML has it: `mirrors.demo.ssh`; empty for the top of the file."""
    name: str
    known: tuple[str, ...]
    """The settings that there are in this section."""

    @property
    def message(self) -> str:
        """What is wrong."""
        place = f"[{self.section}] has" if self.section else "The top of the file has"
        return f"{place} no setting {self.name!r}."

    @property
    def remedy(self) -> str:
        """The nearest known name, if one is near, and all of them."""
        parts = [name for name in self.known if min(name, self.name, key=len) in max(name, self.name, key=len)]
        alike = difflib.get_close_matches(self.name, self.known, n=2)
        near = list(dict.fromkeys([*(name for name in parts if min(len(name), len(self.name)) > 2), *alike]))[:2]
        meant = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
        return f"{meant}Known here: {', '.join(self.known)}."


def first_unknown(document: Any, kind: type) -> UnknownSetting | None:
    """The first name in `document`, what TOML holds, that the Struct `kind` and those in it do not have."""
    return _first(document, inspect.type_info(kind), ())


def _first(value: Any, kind: inspect.Type, path: tuple[str, ...]) -> UnknownSetting | None:
    if isinstance(kind, inspect.Metadata):
        return _first(value, kind.type, path)
    if isinstance(kind, inspect.UnionType):
        found = (_first(value, each, path) for each in kind.types)
    elif isinstance(kind, inspect.StructType) and isinstance(value, dict):
        fields = {field.encode_name: field.type for field in kind.fields}
        for name in value:
            if name not in fields:
                return UnknownSetting(section=".".join(path), name=name, known=tuple(sorted(fields)))
        found = (_first(each, fields[name], (*path, name)) for name, each in value.items())
    elif isinstance(kind, inspect.DictType) and isinstance(value, dict):
        found = (_first(each, kind.value_type, (*path, _key(name))) for name, each in value.items())
    elif isinstance(kind, inspect.VarTupleType) and isinstance(value, list):
        found = (_first(each, kind.item_type, path) for each in value)
    else:
        return None
    return next((each for each in found if each is not None), None)


def _key(name: str) -> str:
    """A table's name as TOML writes it."""
    plain = name.replace("-", "").replace("_", "")
    return name if plain.isascii() and plain.isalnum() else repr(name)
