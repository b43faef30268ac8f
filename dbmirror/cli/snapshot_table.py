"""What a snapshot found, in figures."""

from __future__ import annotations

from rich.console import RenderableType

from dbmirror.cli.layout import facts
from dbmirror.inventory.layers import Layer
from dbmirror.inventory.model import Problem
from dbmirror.snapshot import Snapshot


def snapshot_table(taken: Snapshot) -> RenderableType:
    """What a snapshot found, in figures; the package list itself is in its file."""
    inventory = taken.inventory
    layers = {layer: sum(d.layer is layer for d in inventory.distributions) for layer in Layer}
    python = ", ".join(f"{count} {layer}" for layer, count in layers.items() if count)
    listed = [problem for problem in inventory.problems if problem.stated]
    read = [problem for problem in inventory.problems if not problem.stated]
    failed = ", ".join(f"{lib.kind} {lib.specification}" for lib in taken.cluster.libraries if lib.status == "FAILED")
    r = inventory.r_version or "r_packages" in inventory.unknown
    cluster = taken.cluster
    named = f"{cluster.cluster_name} ({cluster.cluster_id})" if cluster.is_known else "none"

    def told(text: str, field: str) -> str:
        return "not known" if field in {*inventory.unknown, *cluster.unknown} else text

    return facts(
        (
            ("cluster", f"{named}, {cluster.spark_version}"),
            ("system", told(f"{inventory.os_id} {inventory.os_version}, {inventory.architecture}", "os_id")),
            (
                "python",
                f"{told(inventory.python.version, 'python')}: {len(inventory.distributions)} distributions ({python})",
            ),
            ("R", told(f"{inventory.r_version}: {len(inventory.r_packages)} packages", "r_packages") if r else "none"),
            ("others", told(f"{len(inventory.debian_packages)} Debian packages, {len(inventory.jars)} jars", "jars")),
            ("failed libraries", told(failed or "none", "libraries")),
            ("unreadable", ", ".join(f"{p.path} ({p.reason})" for p in read) or "none"),
            *((("no exact version", "\n".join(_stated(p) for p in listed)),) if listed else ()),
            ("digest", taken.digest),
        )
    )


def _stated(problem: Problem) -> str:
    return f"{problem.name or 'without a name'} ({problem.stated}), {problem.path}: {problem.reason}"
