"""A lock as the two documents that stand in a mirror's folder: pylock.toml (PEP 751) and the table of fates."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec
import tomli_w
from msgspec import Struct, structs
from packaging.markers import Marker
from packaging.pylock import Pylock, PylockValidationError
from packaging.specifiers import SpecifierSet
from packaging.version import Version as PythonVersion

from dbmirror.foreign_text.characters import one_line
from dbmirror.foreign_text.decoding import convert, decode_json, decode_toml
from dbmirror.foreign_text.pep508 import ONE_PARSER
from dbmirror.inventory.layers import Layer
from dbmirror.inventory.model import Name, Text, Version
from dbmirror.lock.errors import LockError
from dbmirror.lock.fates import Fate, FateKind
from dbmirror.lock.file_checks import AGAIN, REMEDY, check_same, check_together, fate_table
from dbmirror.lock.model import AptPackage, BaseImage, ImageLayer, IndexFile, Lock, LockedPackage, Source, Target, Url
from dbmirror.lock.python.pylock_package import PackageTool, package_table, source_fields
from dbmirror.mirror_folder.names import FATES, PYLOCK

SCHEMA = 3


class _AptEntry(Struct, forbid_unknown_fields=True):
    """An entry of `[[tool.dbmirror.apt]]`: PEP 751 has no place for packages that apt installs."""

    name: Name
    version: Version
    layer: ImageLayer
    source: AptPackage
    requires: tuple[Text, ...] = ()


_APT_FIELDS = _AptEntry.__struct_fields__


class _Version(Struct):
    """What every version of `[tool.dbmirror]` has."""

    schema: int


class _LockTool(Struct, forbid_unknown_fields=True):
    """`[tool.dbmirror]`."""

    schema: int
    snapshot: Text
    runtime: Text
    target: Target
    base: BaseImage
    indexes: tuple[Url, ...] = ()
    support: tuple[IndexFile, ...] = ()
    apt: tuple[_AptEntry, ...] = ()


class _PythonFate(Struct, forbid_unknown_fields=True):
    """A row of the table of fates."""

    name: Name
    version: Version
    layer: Layer
    location: Text
    kind: FateKind
    reason: Text
    substitute: Text | None = None


class _Fates(Struct, forbid_unknown_fields=True):
    schema: int
    snapshot: Text
    counts: dict[str, int]
    fates: tuple[_PythonFate, ...]


@lru_cache(maxsize=64)
def encode_pylock(lock: Lock) -> bytes:
    """`lock` without its fates, as pylock.toml; under `tool.dbmirror` what PEP 751 has no word for.

    One lock is encoded once, however often its file or its digest is asked for.
    """
    minor = ".".join(lock.target.python.split(".")[:2])
    tool: dict[str, Any] = {
        "schema": SCHEMA,
        "snapshot": lock.snapshot,
        "runtime": lock.runtime,
        "target": msgspec.to_builtins(lock.target),
        "base": msgspec.to_builtins(lock.base),
        "indexes": list(lock.indexes),
        "support": [_without_nothing(msgspec.to_builtins(file)) for file in lock.support],
        "apt": [
            {key: value for key, value in _without_nothing(msgspec.to_builtins(package)).items() if key in _APT_FIELDS}
            for package in lock.packages
            if isinstance(package.source, AptPackage)
        ],
    }
    with ONE_PARSER:
        return _pylock(lock, minor, tool)


def _pylock(lock: Lock, minor: str, tool: dict[str, Any]) -> bytes:
    document = Pylock(
        lock_version=PythonVersion("1.0"),
        environments=[
            Marker(
                f"python_version == '{minor}' and sys_platform == 'linux' "
                f"and platform_machine == '{lock.target.architecture}'"
            )
        ],
        requires_python=SpecifierSet(f"=={minor}.*"),
        created_by="dbmirror",
        packages=[package_table(package) for package in lock.packages if not isinstance(package.source, AptPackage)],
        tool={"dbmirror": tool},
    )
    document.validate()
    return tomli_w.dumps(document.to_dict(), indent=2).encode()


def encode_fates(lock: Lock) -> bytes:
    """The fates of `lock` and their counts, as canonical JSON."""
    return fate_table(SCHEMA, lock.snapshot, lock.fates, lock.fates)


def decode(pylock: bytes, fates: bytes) -> Lock:
    """The lock that the two documents hold, every field checked against its grammar and against the others.

    Raises LockError naming the file and the key that is wrong.
    """
    try:
        document = decode_toml(pylock, dict[str, Any])
        with ONE_PARSER:
            Pylock.from_dict(document)
    except msgspec.DecodeError as error:
        raise LockError(f"{PYLOCK} is not valid TOML: {error}.", remedy=REMEDY) from error
    except PylockValidationError as error:
        raise LockError(f"{PYLOCK} is not a valid lock: {one_line(str(error))}.", remedy=REMEDY) from error
    said = _dig(document, "tool", "dbmirror")
    schema = _convert(said, _Version, file=PYLOCK, key="tool.dbmirror").schema
    if schema != SCHEMA:
        raise LockError(f"{PYLOCK}: tool.dbmirror.schema is {schema}; this dbmirror reads {SCHEMA}.", remedy=AGAIN)
    tool = _convert(said, _LockTool, file=PYLOCK, key="tool.dbmirror")
    packages = []
    for number, raw in enumerate(document["packages"]):
        key = f"packages[{number}]"
        found = _convert(_dig(raw, "tool", "dbmirror"), PackageTool, file=PYLOCK, key=f"{key}.tool.dbmirror")
        packages.append(
            LockedPackage(
                name=_convert(raw.get("name"), Name, file=PYLOCK, key=f"{key}.name"),
                version=_convert(found.version or raw.get("version"), Version, file=PYLOCK, key=f"{key}.version"),
                layer=found.layer,
                source=_convert(source_fields(raw, found), Source, file=PYLOCK, key=key),
                requires=found.requires,
                build_requires=found.build_requires,
            )
        )
    packages.extend(
        LockedPackage(name=a.name, version=a.version, layer=a.layer, source=a.source, requires=a.requires)
        for a in tool.apt
    )
    lock = Lock(
        snapshot=tool.snapshot,
        runtime=tool.runtime,
        target=tool.target,
        base=tool.base,
        packages=tuple(sorted(packages, key=lambda package: (package.name, list(ImageLayer).index(package.layer)))),
        fates=_decode_fates(fates, snapshot=tool.snapshot),
        indexes=tool.indexes,
        support=tool.support,
    )
    _check_together(lock)
    check_same(document, tomllib.loads(_encoded(lock)), file=PYLOCK)
    check_same(decode_json(fates, dict[str, Any]), decode_json(encode_fates(lock), dict[str, Any]), file=FATES)
    return lock


def _decode_fates(content: bytes, *, snapshot: str) -> tuple[Fate, ...]:
    try:
        document = decode_json(content, _Fates)
    except msgspec.DecodeError as error:
        raise LockError(f"{FATES} is not a valid table of fates: {error}.", remedy=REMEDY) from error
    if document.schema != SCHEMA or document.snapshot != snapshot:
        raise LockError(f"{FATES}: schema or snapshot is not that of {PYLOCK}.", remedy=REMEDY)
    return tuple(Fate(**structs.asdict(fate)) for fate in document.fates)


def _check_together(lock: Lock) -> None:
    """Each package has one name and one fate that says it is in the image, each such fate its package."""
    names = [package.name for package in lock.packages]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise LockError(f"{PYLOCK}: {twice[0]} stands there twice.", remedy=REMEDY)
    supported = {file.sha256 for file in lock.support}
    for package in lock.packages:
        if any(requirement.sha256 not in supported for requirement in package.build_requires):
            raise LockError(f"{PYLOCK}: a build requirement of {package.name} has no file.", remedy=REMEDY)
    pairs = ((package.name, package.version) for package in lock.packages)
    check_together(pairs, lock.fates, lock_file=PYLOCK, fates_file=FATES)


def _encoded(lock: Lock) -> str:
    try:
        return encode_pylock(lock).decode()
    except PylockValidationError as error:
        raise LockError(f"{PYLOCK} is not a valid lock: {error}.", remedy=REMEDY) from error


def _dig(document: Mapping[str, Any], *keys: str) -> Any:
    value: Any = document
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _convert(value: Any, kind: Any, *, file: str, key: str) -> Any:
    try:
        return convert(value, kind)
    except msgspec.ValidationError as error:
        text = re.sub(r" - at `\$\.?(.*)`\Z", r" (at \1)", str(error))
        raise LockError(f"{file}: {key} is not valid: {text}.", remedy=REMEDY) from error


def _without_nothing(fields: dict[str, Any]) -> dict[str, Any]:
    """TOML has no null: what is None is left out, at every depth."""
    return {
        key: _without_nothing(value) if isinstance(value, dict) else value
        for key, value in fields.items()
        if value is not None
    }
