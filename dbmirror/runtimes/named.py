"""A runtime that is named and not read from a cluster: `17.3`, `15.4-ml`, `16.4.x-scala2.12`; and its package list."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from dbmirror.runtimes.lookup import known_versions, lookup, parse_spark_version
from dbmirror.runtimes.model import Runtime, RuntimeUnknown

_SHORT: Final = re.compile(r"(?P<release>\d+(\.\d+)?)(?P<words>(-(lts|cpu|gpu|ml|photon|aarch64))*)", re.ASCII)
_SERVERLESS: Final = re.compile(r"(serverless|client|environment)\b.*", re.ASCII)
"""A serverless environment version, as its page (`serverless-3`) and the Clusters API (`client.3`) spell it."""
_GLIBC: Final = {"18.04": "2.27", "20.04": "2.31", "22.04": "2.35", "24.04": "2.39"}
"""The C library of each Ubuntu (packages.ubuntu.com, libc6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedRuntime:
    """What is known of a runtime without a cluster."""

    spark_version: str
    """As the Clusters API spells it: `15.4.x-cpu-ml-scala2.12`."""
    facts: Runtime
    scala: str | None
    architecture: str
    """`x86_64`, but for the runtimes that are named for arm64."""
    glibc: str | None
    pins: tuple[tuple[str, str], ...] | None
    """Name and version of each Python package, as published; None where no list of this runtime is known here."""


def named_runtime(text: str) -> NamedRuntime:
    """The runtime that `text` names, in short or as the API spells it.

    Raises RuntimeUnknown for what is none, for one that no facts are known of, and for one with two Scala versions
    where the name does not say which.
    """
    spark_version = text if "scala" in text else _in_full(text)
    parsed = parse_spark_version(spark_version)
    facts = lookup(parsed.release)
    kind = "-ml-gpu" if parsed.ml and parsed.gpu else "-ml-cpu" if parsed.ml else ""
    return NamedRuntime(
        spark_version=spark_version,
        facts=facts,
        scala=parsed.scala,
        architecture="aarch64" if parsed.aarch64 else "x86_64",
        glibc=_GLIBC.get(facts.ubuntu or ""),
        pins=_lists().get(f"{facts.version}{kind}"),
    )


def listed_runtimes() -> tuple[str, ...]:
    """The runtimes whose Python packages are known here, as they are named: `13.3`, `15.4-ml`."""
    return tuple(name.replace("-ml-cpu", "-ml") for name in sorted(_lists()))


def _in_full(text: str) -> str:
    name = text.strip().lower().replace(" ", "-")
    match = _SHORT.fullmatch(name)
    if _SERVERLESS.fullmatch(name):
        raise RuntimeUnknown(
            f"{text[:100]!r} is a serverless environment, whose packages are not known here.",
            remedy="Save what 'pip list --format json' prints in a notebook there, and read that with --from FILE.",
        )
    if match is None:
        raise RuntimeUnknown(
            f"{text[:100]!r} is no name of a Databricks Runtime.",
            remedy="It has a form like 15.4, 15.4-ml or 15.4.x-scala2.12. "
            f"dbmirror knows {', '.join(known_versions())}.",
        )
    facts = lookup(match["release"])
    scala = sorted({".".join(version.split(".")[:2]) for version in facts.scala})
    words = [word for word in ("aarch64", "cpu", "gpu", "ml", "photon") if word in match["words"].split("-")]
    if "ml" in words and not {"cpu", "gpu"} & set(words):
        words.insert(words.index("ml"), "cpu")
    full = [f"{'-'.join((f'{facts.version}.x', *words))}-scala{version}" for version in scala]
    if len(full) != 1:
        raise RuntimeUnknown(
            f"There are several runtimes {text[:100]!r}, one for each version of Scala.",
            remedy=f"Name one in full: --runtime {' or --runtime '.join(full)}.",
        )
    return full[0]


@cache
def _lists() -> dict[str, tuple[tuple[str, str], ...]]:
    """The lists that are shipped, by the runtime's name."""
    found = {}
    for file in files(__package__).joinpath("packages").iterdir():
        lines = file.read_text("utf-8").splitlines()
        pins = (line.partition("==") for line in lines if line and not line.startswith("#"))
        found[file.name.removesuffix(".txt")] = tuple((name, version) for name, _, version in pins)
    return found
