"""The settings of docs/configuration.md: each with its default, its meaning and an example, from the types."""

from __future__ import annotations

import ast
import inspect as python
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomli_w
from msgspec import NODEFAULT, Struct, inspect

from dbmirror.config import Config, FilterConfig, FilterEntry

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
BEGIN, END = "<!-- from the types, by `make golden` -->\n", "<!-- to here -->\n"
NAMES = {"mirrors": "team", "registries": "acr"}
"""What the examples call a section that the user names."""


def sections(kind: type[Struct] = Config, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], type[Struct]]]:
    """Each section of the file with its type; of those that are alike one."""
    yield path, kind
    for field in type_of(kind).fields:
        held = inner(field.type)
        twin = (field.name == "r" and path) or (kind is FilterConfig and field.name != "blacklist")
        if held is not None and not twin:
            name = ("NAME",) if isinstance(field.type, inspect.DictType) else ()
            yield from sections(held, (*path, field.name, *name))


def type_of(kind: type[Struct]) -> inspect.StructType:
    found = inspect.type_info(kind)
    assert isinstance(found, inspect.StructType)
    return found


def plain(kind: inspect.Type) -> inspect.Type:
    """Without what is said about it, and without `or nothing`."""
    if isinstance(kind, inspect.Metadata):
        return plain(kind.type)
    if isinstance(kind, inspect.UnionType):
        (kind,) = (each for each in kind.types if not isinstance(each, inspect.NoneType))
        return plain(kind)
    return kind


def inner(kind: inspect.Type) -> type[Struct] | None:
    """The Struct that a field holds, one or many."""
    kind = plain(kind)
    if isinstance(kind, inspect.DictType):
        return inner(kind.value_type)
    if isinstance(kind, inspect.VarTupleType):
        return inner(kind.item_type)
    return kind.cls if isinstance(kind, inspect.StructType) else None


def texts(kind: type[Struct]) -> dict[str, str]:
    """What stands under each field, as one line."""
    (body,) = ast.parse(textwrap.dedent(python.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)
    found = {}
    for statement, after in zip(body.body, body.body[1:], strict=False):
        if isinstance(statement, ast.AnnAssign) and isinstance(after, ast.Expr):
            assert isinstance(statement.target, ast.Name)
            assert isinstance(after.value, ast.Constant)
            found[statement.target.id] = " ".join(str(after.value.value).split())
    return found


def settings(kind: type[Struct]) -> dict[str, tuple[str, str, Any]]:
    """Each setting that is no section: its default as TOML writes it, its text, its example."""
    written, found = texts(kind), {}
    for field in type_of(kind).fields:
        if inner(field.type) is None:
            (example,) = (field.type.extra_json_schema or {}).get("examples", [None])
            preset = default(field.default, field.default_factory)
            found[field.encode_name] = (preset, written.get(field.name, ""), example)
    return found


def default(value: Any, factory: Any) -> str:
    if value is NODEFAULT and factory is NODEFAULT:
        return "must be given"
    if value is None or value == () or value is NODEFAULT:
        return ""
    return f"`{line(str(value) if isinstance(value, Path) else value)}`"


def line(value: Any) -> str:
    """A value as TOML has it, on one line."""
    value = list(value) if isinstance(value, tuple) else value
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{tomli_w.dumps({name: each}).strip()}" for name, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(line(each) for each in value) + "]"
    return tomli_w.dumps({"x": value}).strip().removeprefix("x = ")


def page(before: str) -> str:
    """The page with its settings written anew; what stands around them is written by hand."""
    head, _, rest = before.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return head + BEGIN + "".join(section(path, kind) for path, kind in sections()) + "\n" + END + tail


def section(path: tuple[str, ...], kind: type[Struct]) -> str:
    found = settings(kind)
    if not found:
        return ""
    many = kind is FilterEntry or path[-1:] == ("waive",)
    title = ".".join(path)
    heading = f"`[[{title}]]`" if many else f"`[{title}]`" if path else "The top of the file"
    real = [NAMES[path[0]] if each == "NAME" else each for each in path]
    table = (f"[[{'.'.join(real)}]]\n" if many else f"[{'.'.join(real)}]\n") if path else ""
    rows = "".join(f"| `{name}` | {preset} | {text} |\n" for name, (preset, text, _) in found.items())
    example = "".join(f"{name} = {line(value)}\n" for name, (_, _, value) in found.items())
    words = "" if kind is Config else python.cleandoc(kind.__doc__ or "") + "\n\n"
    return f"\n### {heading}\n\n{words}| Setting | Default | |\n|---|---|---|\n{rows}\n```toml\n{table}{example}```\n"
