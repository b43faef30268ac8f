"""The facts of a runtime by its version, and the version by its `spark_version`."""

from __future__ import annotations

import re
from datetime import date
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import msgspec

from dbmirror.foreign_text.decoding import decode_toml
from dbmirror.runtimes.model import Need, Runtime, RuntimeUnknown, SparkVersion, Tools, number

_SPARK_VERSION = re.compile(
    r"(?P<custom>custom:)?([A-Za-z0-9.-]+__)?(?P<major>\d+)(\.(?P<minor>\d+))?\.(x|\d+)(?P<rest>([-_][A-Za-z0-9_.-]+)?)",
    re.ASCII,
)
_SCALA = re.compile(r"-scala(\d+\.\d+)", re.ASCII)


class _Facts(msgspec.Struct, forbid_unknown_fields=True):
    python: str | None = None
    ubuntu: str | None = None
    python_full: str | None = None
    java: tuple[int, ...] = ()
    scala: tuple[str, ...] = ()
    spark: str | None = None
    delta: str | None = None
    r: str | None = None
    lts_end: date | None = None
    lsp: bool = False
    cran: date | None = None
    image: bool = True
    tools: Tools | None = None
    repl: dict[str, str] = {}


class _Imports(msgspec.Struct, forbid_unknown_fields=True):
    since: str
    modules: tuple[str, ...]


class _Need(msgspec.Struct, forbid_unknown_fields=True):
    since: str
    what: Need


class _File(msgspec.Struct, forbid_unknown_fields=True):
    runtimes: dict[str, _Facts]
    imports: tuple[_Imports, ...]
    needs: tuple[_Need, ...]


def known_versions() -> tuple[str, ...]:
    """The runtimes that dbmirror has facts about, oldest first."""
    return tuple(_read().runtimes)


def lookup(version: str) -> Runtime:
    """The runtime `version`: `15.4`, or a bare major (`18`) for the newest known of it, as the API's rolling keys say.

    Raises RuntimeUnknown, which names the known ones.
    """
    file = _read()
    if version.isdigit():
        version = next((known for known in reversed(file.runtimes) if known.startswith(f"{version}.")), version)
    try:
        facts = file.runtimes[version]
    except KeyError:
        raise RuntimeUnknown(
            f"dbmirror knows no Databricks Runtime {version!r}.",
            remedy=f"It knows {', '.join(known_versions())}; of another one it reads what the cluster's snapshot says.",
        ) from None
    return Runtime(
        version=version,
        ubuntu=facts.ubuntu,
        python=facts.python,
        python_full=facts.python_full,
        java=facts.java,
        scala=facts.scala,
        spark=facts.spark,
        delta=facts.delta,
        r=facts.r,
        lts_end=facts.lts_end,
        lsp=facts.lsp,
        cran=facts.cran,
        has_image=facts.image,
        needs=needs_of(version),
        imports=tuple(name for each in file.imports if number(each.since) <= number(version) for name in each.modules),
        tools=facts.tools,
        repl=MappingProxyType(facts.repl),
        tool_requirements=_locked("tools", version) if facts.tools else (),
        lsp_requirements=_locked("python-lsp", version) if facts.lsp else (),
    )


def needs_of(version: str) -> frozenset[Need]:
    """What the platform needs of an image for the runtime `version`, known or not."""
    return frozenset(need.what for need in _read().needs if number(need.since) <= number(version))


def parse_spark_version(text: str) -> SparkVersion:
    """`15.4.x-cpu-ml-scala2.12` taken apart. Raises RuntimeUnknown for what has none of the known forms.

    Forms as the Clusters API and its Python SDK give them: `7.3.x-esr-scala2.12`, `15.4.x-aarch64-photon-scala2.12`,
    `18.x-scala2.13`, `17.3.x-snapshot-scala2.13`, `custom:release__15.4.x-photon-scala2.12`.
    """
    match = _SPARK_VERSION.fullmatch(text)
    if match is None:
        raise RuntimeUnknown(
            f"{text[:100]!r} is no spark_version that dbmirror understands.",
            remedy="It has a form like 15.4.x-scala2.12.",
        )
    words = set(re.split(r"[-_]", match["rest"]))
    scala = _SCALA.search(match["rest"])
    release = match["major"] if match["minor"] is None else f"{match['major']}.{match['minor']}"
    return SparkVersion(
        release=release,
        scala=scala[1] if scala else None,
        ml="ml" in words,
        gpu="gpu" in words,
        photon="photon" in words,
        snapshot="snapshot" in words,
        aarch64="aarch64" in words,
        extended_support="esr" in words,
        custom=match["custom"] is not None,
    )


@cache
def _read() -> _File:
    return decode_toml(files(__package__).joinpath("runtimes.toml").read_bytes(), _File)


@cache
def _locked(kind: str, version: str) -> tuple[str, ...]:
    text = files(__package__).joinpath("locked", f"{kind}-{version}.txt").read_text("utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))
