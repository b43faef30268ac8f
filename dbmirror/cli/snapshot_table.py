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
    unknown = sorted({*taken.cluster.unknown, *inventory.unknown})
    listed = [problem for problem in inventory.problems if problem.stated]
    read = [problem for problem in inventory.problems if not problem.stated]
    failed = ", ".join(f"{lib.kind} {lib.specification}" for lib in taken.cluster.libraries if lib.status == "FAILED")
    return facts(
        (
            ("cluster", f"{taken.cluster.cluster_name} ({taken.cluster.cluster_id}), {taken.cluster.spark_version}"),
            ("system", f"{inventory.os_id} {inventory.os_version}, {inventory.architecture}"),
            ("python", f"{inventory.python.version}: {len(inventory.distributions)} distributions ({python})"),
            ("R", f"{inventory.r_version}: {len(inventory.r_packages)} packages" if inventory.r_version else "none"),
            ("others", f"{len(inventory.debian_packages)} Debian packages, {len(inventory.jars)} jars"),
            ("failed libraries", failed or "none"),
            ("unreadable", ", ".join(f"{p.path} ({p.reason})" for p in read) or "none"),
            *((("no exact version", "\n".join(_stated(p) for p in listed)),) if listed else ()),
            *((("not known", ", ".join(name.replace("_", " ") for name in unknown)),) if unknown else ()),
            ("digest", taken.digest),
        )
    )


def _stated(problem: Problem) -> str:
    return f"{problem.name or 'without a name'} ({problem.stated}), {problem.path}: {problem.reason}"
