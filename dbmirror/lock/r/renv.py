"""R's lock as the two documents that stand in a mirror's folder: renv.lock, which renv restores, and R's fates."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct

from dbmirror.files import canonical_json
from dbmirror.foreign_text.decoding import convert, decode_json
from dbmirror.inventory.layers import layer_of_r_library
from dbmirror.inventory.model import Path, RName, RVersion, Text
from dbmirror.lock.errors import LockError
from dbmirror.lock.fates import Fate, FateKind
from dbmirror.lock.file_checks import AGAIN, REMEDY, check_same, check_together, fate_table
from dbmirror.lock.model import Url
from dbmirror.lock.r.model import (
    CapturedRPackage,
    CranFile,
    LockedRPackage,
    RGitSource,
    RLacking,
    RLock,
    RSource,
)
from dbmirror.mirror_folder.names import R_FATES, RENV_LOCK

SCHEMA = 2


class _Tool(Struct, forbid_unknown_fields=True):
    """The key `dbmirror` of renv.lock, which renv passes over: what its own fields have no word for."""

    schema: int
    snapshot: Text
    base: Text
    r_version: RVersion
    repositories: tuple[Url, ...]
    packages: dict[RName, _ToolPackage]
    lacking: tuple[RLacking, ...]


class _ToolPackage(Struct, forbid_unknown_fields=True, omit_defaults=True):
    version: RVersion
    source: RSource
    depends: tuple[RName, ...] = ()
    system_requirements: Text | None = None
    needs_compilation: bool = False
    from_cluster_library: bool = False
    addition: Text | None = None


class RFateRow(Struct, forbid_unknown_fields=True):
    """A row of R's table of fates: a fate in R's word for its place, the library, which says its layer."""

    name: RName
    version: Text
    library: Path
    kind: FateKind
    reason: Text
    substitute: Text | None = None


class _Fates(Struct, forbid_unknown_fields=True):
    schema: int
    snapshot: Text
    counts: dict[str, int]
    fates: tuple[RFateRow, ...]


@lru_cache(maxsize=64)
def encode_renv(lock: RLock) -> bytes:
    """`lock` without its fates, as renv.lock (https://rstudio.github.io/renv/articles/lockfile.html).

    One lock is encoded once, however often its file or its digest is asked for.
    """
    names = _repository_names(lock.repositories)
    tool = _Tool(
        schema=SCHEMA,
        snapshot=lock.snapshot,
        base=lock.base,
        r_version=lock.r_version,
        repositories=lock.repositories,
        packages={package.name: _tool_package(package) for package in lock.packages},
        lacking=lock.lacking,
    )
    return canonical_json(
        {
            "R": {
                "Version": lock.r_version,
                "Repositories": [{"Name": name, "URL": url} for url, name in names.items()],
            },
            "Packages": {package.name: _record(package, names) for package in lock.packages},
            "dbmirror": tool,
        }
    )


def encode_r_fates(lock: RLock) -> bytes:
    """The fates of `lock` and their counts, as canonical JSON."""
    return fate_table(SCHEMA, lock.snapshot, lock.fates, fate_rows(lock))


def fate_rows(lock: RLock) -> tuple[RFateRow, ...]:
    """The fates of `lock` as its table and the commands' documents hold them."""
    return tuple(
        RFateRow(
            name=fate.name,
            version=fate.version,
            library=fate.location,
            kind=fate.kind,
            reason=fate.reason,
            substitute=fate.substitute,
        )
        for fate in lock.fates
    )


def _fate(row: RFateRow) -> Fate:
    return Fate(
        name=row.name,
        version=row.version,
        layer=layer_of_r_library(row.library),
        location=row.library,
        kind=row.kind,
        reason=row.reason,
        substitute=row.substitute,
    )


def decode(renv: bytes, fates: bytes) -> RLock:
    """The lock that the two documents hold, every field checked against its grammar and against the others.

    Raises LockError naming the file and what is wrong with it.
    """
    document: dict[str, Any] = _decoded(renv, dict[str, Any], RENV_LOCK)
    if not isinstance(document.get("dbmirror"), dict):
        raise LockError(f"{RENV_LOCK} was not written by dbmirror.", remedy=REMEDY)
    if document["dbmirror"].get("schema") != SCHEMA:
        raise LockError(
            f"{RENV_LOCK}: dbmirror.schema is {document['dbmirror'].get('schema')!r}; this dbmirror reads {SCHEMA}.",
            remedy=AGAIN,
        )
    try:
        tool = convert(document["dbmirror"], _Tool)
    except msgspec.ValidationError as error:
        text = re.sub(r" - at `\$\.?(.*)`\Z", r" (at dbmirror.\1)", str(error))
        raise LockError(f"{RENV_LOCK} is not valid: {text}.", remedy=REMEDY) from error
    accounted: _Fates = _decoded(fates, _Fates, R_FATES)
    if accounted.schema != SCHEMA or accounted.snapshot != tool.snapshot:
        raise LockError(f"{R_FATES}: schema or snapshot is not that of {RENV_LOCK}.", remedy=REMEDY)
    lock = RLock(
        snapshot=tool.snapshot,
        r_version=tool.r_version,
        repositories=tool.repositories,
        packages=tuple(_package(name, found) for name, found in sorted(tool.packages.items())),
        fates=tuple(map(_fate, accounted.fates)),
        base=tool.base,
        lacking=tool.lacking,
    )
    installed = ((package.name, package.version) for package in lock.packages if package.addition is None)
    check_together(installed, lock.fates, lock_file=RENV_LOCK, fates_file=R_FATES)
    check_same(document, decode_json(encode_renv(lock), dict[str, Any]), file=RENV_LOCK)
    check_same(decode_json(fates, dict[str, Any]), decode_json(encode_r_fates(lock), dict[str, Any]), file=R_FATES)
    return lock


def _repository_names(urls: tuple[str, ...]) -> dict[str, str]:
    """Address to the name that renv's records call it by: `CRAN`, `CRAN2`, …"""
    return {url: f"CRAN{number if number > 1 else ''}" for number, url in enumerate(urls, start=1)}


def _record(package: LockedRPackage, names: dict[str, str]) -> dict[str, Any]:
    """The package as renv's own record: from where renv would restore it."""
    record: dict[str, Any] = {"Package": package.name, "Version": package.version}
    source = package.source
    if isinstance(source, RGitSource):
        record |= {"Source": "Git", "RemoteType": "git", "RemoteUrl": source.url, "RemoteSha": source.commit}
        if source.subdirectory:
            record["RemoteSubdir"] = source.subdirectory
    elif isinstance(source, CapturedRPackage):
        record |= {"Source": "Local", "RemoteType": "local", "RemoteUrl": f"./{source.path}"}
    else:
        # What apt installs stands in CRAN, too: it is R's own recommended packages and Debian's copies of CRAN's.
        repository = source.repository if isinstance(source, CranFile) else ""
        record |= {"Source": "Repository", "Repository": names.get(repository, "CRAN")}
    if package.depends:
        record["Requirements"] = list(package.depends)
    return record


def _tool_package(package: LockedRPackage) -> _ToolPackage:
    return _ToolPackage(
        version=package.version,
        source=package.source,
        depends=package.depends,
        system_requirements=package.system_requirements,
        needs_compilation=package.needs_compilation,
        from_cluster_library=package.from_cluster_library,
        addition=package.addition,
    )


def _package(name: str, found: _ToolPackage) -> LockedRPackage:
    return LockedRPackage(
        name=name,
        version=found.version,
        source=found.source,
        depends=found.depends,
        system_requirements=found.system_requirements,
        needs_compilation=found.needs_compilation,
        from_cluster_library=found.from_cluster_library,
        addition=found.addition,
    )


def _decoded(content: bytes, kind: Any, file: str) -> Any:
    try:
        return decode_json(content, kind)
    except msgspec.DecodeError as error:
        raise LockError(f"{file} is not a valid lock: {error}.", remedy=REMEDY) from error
