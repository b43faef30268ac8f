"""What of a snapshot is mirrored, by the lists and the choices of one mirror."""

from __future__ import annotations

from dbmirror.errors import UsageError
from dbmirror.filters.explain import Explanation, explain
from dbmirror.filters.flavour import Flavour, choose_flavour
from dbmirror.filters.language import Language
from dbmirror.filters.languages import python, r
from dbmirror.filters.lists import Spelling, load
from dbmirror.filters.model import Selection
from dbmirror.filters.rulebook import Lists
from dbmirror.filters.selection import select
from dbmirror.inventory.layers import Layer
from dbmirror.inventory.model import Distribution, RPackage
from dbmirror.pipeline.mirror import Mirror
from dbmirror.runtimes.derived import OnCluster, runtime_of
from dbmirror.runtimes.lookup import parse_spark_version
from dbmirror.runtimes.model import Runtime, repl_names
from dbmirror.snapshot import Snapshot


class SnapshotIncomplete(UsageError):
    """A snapshot of a list of packages does not say what an image must be made for."""


def find_runtime(mirror: Mirror, snapshot: Snapshot) -> Runtime:
    """The Databricks Runtime of the snapshot's cluster; what dbmirror does not know of it, the snapshot says."""
    inventory = snapshot.inventory
    lacking = "runtime" if "spark_version" in snapshot.cluster.unknown else "Python"
    if lacking == "runtime" or "python" in inventory.unknown:
        raise SnapshotIncomplete(
            f"The snapshot of {mirror.name} is of {snapshot.taken.host}, which does not say which {lacking} there is.",
            remedy=f"Take it again with a runtime whose Python is known: dbmirror snapshot {mirror.name} --from FILE "
            "--runtime 15.4",
        )
    runtime, note = runtime_of(
        parse_spark_version(snapshot.cluster.spark_version).release,
        OnCluster(
            python=inventory.python.version,
            runtime=inventory.runtime_version,
            ubuntu=inventory.os_version if inventory.os_id == "ubuntu" else None,
            java=inventory.java_version,
            scala=inventory.scala_version,
            spark=inventory.spark_version,
            r=inventory.r_version,
            packages={d.name: d.version for d in inventory.distributions if d.layer is Layer.RUNTIME},
        ),
    )
    if note:
        mirror.note_once(note)
    return runtime


def select_python(mirror: Mirror, snapshot: Snapshot) -> Selection[Distribution]:
    """What of the snapshot's Python packages is mirrored, and by which rule."""
    return select(_python(mirror, snapshot), _lists(mirror, python.SPELLING), snapshot=snapshot.digest)


def select_r(mirror: Mirror, snapshot: Snapshot) -> Selection[RPackage]:
    """What of the snapshot's R packages is mirrored, and by which rule."""
    return select(_r(mirror, snapshot), _lists(mirror, r.SPELLING), snapshot=snapshot.digest)


def explain_python(mirror: Mirror, snapshot: Snapshot, package: str) -> Explanation:
    """All about one Python package of the snapshot. Raises FilterError where the cluster has none of that name."""
    selection, lists = select_python(mirror, snapshot), _lists(mirror, python.SPELLING)
    return explain(selection, package, language=_python(mirror, snapshot), lists=lists)


def explain_r(mirror: Mirror, snapshot: Snapshot, package: str) -> Explanation:
    """All about one R package of the snapshot. Raises FilterError where the cluster has none of that name."""
    selection, lists = select_r(mirror, snapshot), _lists(mirror, r.SPELLING)
    return explain(selection, package, language=_r(mirror, snapshot), lists=lists)


def flavour_of(mirror: Mirror, snapshot: Snapshot) -> Flavour:
    """What notebooks of the image are written in: as chosen, as configured, else as the snapshot asks for."""
    if mirror.choices.flavour is not None:
        return mirror.choices.flavour
    if mirror.section.flavour is not None:
        return Flavour(mirror.section.flavour)
    choice = choose_flavour(snapshot)
    if choice.flavour is not Flavour.PYTHON:
        mirror.observer.note(f"The image is of flavour {choice.flavour}. {choice.reason}")
    return choice.flavour


def _python(mirror: Mirror, snapshot: Snapshot) -> Language[Distribution]:
    return python.python_language(
        snapshot.inventory,
        runtime_repl=repl_names(find_runtime(mirror, snapshot)),
        notebook=mirror.section.notebook_environment,
    )


def _r(mirror: Mirror, snapshot: Snapshot) -> Language[RPackage]:
    return r.r_language(snapshot.inventory, notebook=mirror.section.notebook_environment)


def _lists(mirror: Mirror, spelling: Spelling) -> Lists:
    """The lists of one language, with the user's own entries in front."""
    additions, origin = mirror.loaded.config.filters, str(mirror.loaded.origin or "")
    return Lists(
        mode="whitelist" if mirror.choices.whitelist else mirror.section.filter,
        whitelist=load("whitelist", spelling, additions, origin=origin),
        blacklist=load("blacklist", spelling, additions, origin=origin),
    )
