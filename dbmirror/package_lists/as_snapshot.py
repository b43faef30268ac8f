"""A list of packages, a runtime that is named, or both, as a snapshot: what neither can know is marked unknown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from dbmirror import __version__
from dbmirror.inventory.layers import Layer
from dbmirror.inventory.model import UNKNOWN, UNKNOWN_PYTHON, Distribution, Interpreter, Inventory, Problem
from dbmirror.package_lists.model import ListUnreadable, PackageList, listed
from dbmirror.runtimes.named import NamedRuntime, listed_runtimes
from dbmirror.snapshot import Cluster, Snapshot, Taken

_CLUSTER_LIBRARIES = "/local_disk0/.ephemeral_nfs/cluster_libraries/python"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A snapshot that was not taken from a cluster, and what is to be said of it."""

    snapshot: Snapshot
    notes: tuple[str, ...] = ()
    of_a_cell: bool = False
    """It was collected on the driver, by a cell in a notebook."""


def as_snapshot(
    found: PackageList | None, runtime: NamedRuntime | None, *, mirror: str, source: str, at: str
) -> Listing:
    """The snapshot of `found` on `runtime`; `source` says in words where it is from, `at` when it was read.

    With the runtime's own packages known, a package of the list that the runtime has at that version is the runtime's,
    and any other a library of the cluster. Raises ListUnreadable for a runtime alone whose packages are not known.
    """
    if found is None and runtime is not None and runtime.pins is None:
        raise ListUnreadable(
            f"Which packages runtime {runtime.facts.version} has is not known here: its facts are, its list is not.",
            remedy=f"Add --from FILE with what 'pip list --format json' prints there. Known are the lists of "
            f"{', '.join(listed_runtimes())}.",
        )
    inventory = _inventory(found, runtime)
    snapshot = Snapshot(
        cluster=Cluster(
            cluster_id=UNKNOWN,
            cluster_name=mirror,
            spark_version=runtime.spark_version if runtime else UNKNOWN,
            unknown=tuple(
                sorted(
                    field.name
                    for field in fields(Cluster)
                    if field.name not in {"cluster_name", "uses_ml_runtime", "unknown"}
                    and not (runtime and field.name == "spark_version")
                )
            ),
        ),
        inventory=inventory,
        taken=Taken(at=at, host=source, dbmirror=__version__),
    )
    return Listing(snapshot=snapshot, notes=tuple(_notes(found, runtime)))


def _inventory(found: PackageList | None, runtime: NamedRuntime | None) -> Inventory:
    facts = runtime.facts if runtime else None
    python = UNKNOWN_PYTHON
    if facts is not None and facts.python_full is not None:
        python = Interpreter(path="/databricks/python3/bin/python3", version=facts.python_full)
    elif found is not None and found.python is not None:
        python = found.python
    distributions, problems = _packages(found, runtime)
    known = {
        "os_id": "ubuntu" if facts and facts.ubuntu else None,
        "os_version": facts.ubuntu if facts else None,
        "architecture": runtime.architecture if runtime else None,
        "glibc": runtime.glibc if runtime else None,
        "runtime_version": facts.version if facts else None,
        "spark_version": facts.spark if facts else None,
        "scala_version": runtime.scala if runtime else None,
        "r_version": found.r_version if found else None,
    }
    has_python = bool(runtime and runtime.pins) or bool(found and found.has_python)
    present = {name for name, value in known.items() if value is not None}
    present |= {"distributions"} if has_python else set()
    present |= {"r_packages"} if found and found.has_r else set()
    present |= {"python"} if python is not UNKNOWN_PYTHON else set()
    return Inventory(
        os_id=known["os_id"] or UNKNOWN,
        os_version=known["os_version"] or UNKNOWN,
        architecture=known["architecture"] or UNKNOWN,
        glibc=known["glibc"],
        runtime_version=known["runtime_version"],
        spark_version=known["spark_version"],
        scala_version=known["scala_version"],
        r_version=known["r_version"],
        python=python,
        interpreters=(python,) if python is not UNKNOWN_PYTHON else (),
        distributions=distributions,
        r_packages=found.r_packages if found else (),
        problems=problems,
        unknown=tuple(
            sorted({field.name for field in fields(Inventory)} - present - {"interpreters", "problems", "unknown"})
        ),
    )


def _packages(
    found: PackageList | None, runtime: NamedRuntime | None
) -> tuple[tuple[Distribution, ...], tuple[Problem, ...]]:
    """The packages of both in the layers that they belong to; the list's version of a package is the nearer one."""
    minor = ".".join((runtime.facts.python if runtime and runtime.facts.python else "3").split(".")[:2])
    site_packages = f"lib/python{minor}/site-packages"
    own = (
        [
            listed(name, version, place=f"runtime {runtime.facts.version}")
            for name, version in (runtime.pins or () if runtime else ())
        ]
        if runtime
        else []
    )
    runtimes = {
        each.name: replace(each, location=f"/databricks/python3/{site_packages}")
        for each in own
        if isinstance(each, Distribution)
    }
    unreadable = [each for each in own if isinstance(each, Problem)]
    if found is None:
        return _sorted(runtimes.values()), tuple(unreadable)
    added = [
        each
        for each in found.distributions
        if each.direct_url is not None or each.name not in runtimes or runtimes[each.name].version != each.version
    ]
    if runtimes:
        added = [replace(e, layer=Layer.CLUSTER, location=f"{_CLUSTER_LIBRARIES}/{site_packages}") for e in added]
    elif runtime is not None:
        added = [replace(each, location=f"/databricks/python3/{site_packages}") for each in added]
    return _sorted([*runtimes.values(), *added]), (*unreadable, *found.problems)


def _sorted(found: Iterable[Distribution]) -> tuple[Distribution, ...]:
    return tuple(sorted(found, key=lambda each: (each.name, each.location, each.version)))


def _notes(found: PackageList | None, runtime: NamedRuntime | None) -> Iterable[str]:
    yield from found.notes if found else ()
    if runtime is None:
        yield (
            "No runtime is named, so that this snapshot can be compared, and not built: --runtime says it "
            f"(for example --runtime {listed_runtimes()[-1]})."
        )
    elif runtime.pins is None:
        yield f"Which packages runtime {runtime.facts.version} has is not known here: the list alone counts."
    if found is None or runtime is None:
        return
    listed_python, own = found.python.version if found.python else None, runtime.facts.python
    if listed_python and own and ".".join(listed_python.split(".")[:2]) != own:
        yield f"The list is of Python {listed_python}; runtime {runtime.facts.version} has Python {own}, which counts."
