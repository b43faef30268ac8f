"""Completes a runtime that dbmirror does not fully know from the cluster's snapshot and from the nearest one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from dbmirror.runtimes.lookup import known_versions, lookup, needs_of
from dbmirror.runtimes.model import Runtime, RuntimeUnknown, number


@dataclass(frozen=True, slots=True, kw_only=True)
class OnCluster:
    """What a cluster's snapshot says of its runtime."""

    python: str
    """`3.12.3`."""
    runtime: str | None = None
    """Content of /databricks/DBR_VERSION: `16.2`."""
    ubuntu: str | None = None
    """`24.04`; None where it is another system."""
    java: str | None = None
    """`17.0.16`, `1.8.0_412`."""
    scala: str | None = None
    spark: str | None = None
    r: str | None = None
    packages: Mapping[str, str] = field(default_factory=dict)
    """The runtime layer's Python packages: PEP 503 name to version."""


def runtime_of(release: str, found: OnCluster) -> tuple[Runtime, str]:
    """The runtime `release` (`16.2`; `18` of a rolling key) of a cluster, and a note where not all of it is known.

    Known facts win. What they leave out is the cluster's: Python, Ubuntu, Java, Scala, Spark and R. The packaging
    tools, the language server and the names that the REPL needs are those of the nearest known runtime.
    """
    stated = found.runtime or ""
    if release.isdigit() and stated.startswith(f"{release}.") and stated.removeprefix(f"{release}.").isdigit():
        release = stated
    try:
        known = lookup(release)
    except RuntimeUnknown:
        known = Runtime(version=release if "." in release else f"{release}.0", needs=needs_of(release), has_image=False)
    if known.tools is not None:
        return known, ""
    near = _nearest(known, found.python)
    java = found.java.removeprefix("1.").partition(".")[0] if found.java else ""
    completed = replace(
        known,
        ubuntu=known.ubuntu or found.ubuntu,
        python=known.python or ".".join(found.python.split(".")[:2]),
        python_full=known.python_full or found.python,
        java=known.java or ((int(java),) if java.isdigit() else ()),
        scala=known.scala or ((found.scala,) if found.scala else ()),
        spark=known.spark or found.spark,
        r=known.r or found.r,
        lsp=near.lsp,
        imports=known.imports or near.imports,
        tools=near.tools,
        repl=known.repl or MappingProxyType({n: found.packages[n] for n in near.repl if n in found.packages}),
        tool_requirements=near.tool_requirements,
        lsp_requirements=near.lsp_requirements,
        image_version=None if known.has_image else near.version,
    )
    note = (
        f"dbmirror does not know all of Databricks Runtime {known.version}: what it does not know is taken from the "
        f"cluster's snapshot, and the packaging tools{'' if not completed.image_version else ' and official images'} "
        f"are those of runtime {near.version}."
    )
    return completed, note


def _nearest(runtime: Runtime, python: str) -> Runtime:
    """The nearest runtime whose tools are known: of the same Python if there is one, the next newer before an older."""
    minor = ".".join(python.split(".")[:2])
    known = [each for each in map(lookup, known_versions()) if each.tools is not None]
    alike = [each for each in known if each.python == minor] or known
    newer = [each for each in alike if each.release >= runtime.release]
    return newer[0] if newer else max(alike, key=lambda each: number(each.version))
