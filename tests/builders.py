"""The values that many tests need, by keyword: a test names only the fields that it is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dbmirror.config import FilterConfig
from dbmirror.files import sha256_hex
from dbmirror.filters.languages import python
from dbmirror.filters.languages import r as r_names
from dbmirror.filters.lists import Spelling, load
from dbmirror.filters.model import Selection
from dbmirror.filters.rulebook import Lists
from dbmirror.filters.selection import select
from dbmirror.inventory.layers import Layer, layer_of_r_library
from dbmirror.inventory.model import Distribution, Interpreter, Inventory, RPackage
from dbmirror.lock.debs.lab import LAB, PYTHON, R_KERNEL, TUNNEL, LabDebs
from dbmirror.lock.debs.model import DebFile
from dbmirror.lock.fates import Fate, FateKind
from dbmirror.lock.lab import LabLock
from dbmirror.lock.model import BaseImage, BaseKind, CapturedWheel, ImageLayer, IndexFile, Lock, LockedPackage, Target
from dbmirror.lock.python.index_location import IndexLocation
from dbmirror.lock.python.index_settings import Choice, IndexGroup, IndexSettings
from dbmirror.snapshot import Cluster, Snapshot, Taken

FOLDERS = {
    Layer.NOTEBOOK: "/local_disk0/.ephemeral_nfs/envs/pythonEnv-1/lib/python3.11/site-packages",
    Layer.CLUSTER: "/local_disk0/.ephemeral_nfs/cluster_libraries/python/lib/python3.11/site-packages",
    Layer.RUNTIME: "/databricks/python3/lib/python3.11/site-packages",
    Layer.LOCAL: "/usr/local/lib/python3.11/dist-packages",
    Layer.APT: "/usr/lib/python3/dist-packages",
    Layer.EDGE: "/databricks/.python_edge_libs",
}
"""Where the distributions of each layer live on a driver."""
R_LIBRARY = "/usr/lib/R/site-library"
SNAPSHOT_DIGEST = "sha256:" + "5" * 64


def index_settings(indexes: Iterable[IndexLocation], choice: Choice = Choice.FIRST_INDEX) -> IndexSettings:
    """The settings of one group of package indexes."""
    return IndexSettings(groups=(IndexGroup(indexes=tuple(indexes), choice=choice),))


def a_distribution(name: str, version: str = "1.0", layer: Layer = Layer.RUNTIME, **more: Any) -> Distribution:
    """An installed distribution in the folder of its layer."""
    fields = {"spelling": name, "location": FOLDERS[layer], **more}
    return Distribution(name=name, version=version, layer=layer, **fields)


def an_r_package(name: str, version: str = "1.0", library: str = R_LIBRARY, **more: Any) -> RPackage:
    """An installed R package."""
    return RPackage(name=name, version=version, library=library, **more)


def an_inventory(*distributions: Distribution, python: str = "3.11.11", **more: Any) -> Inventory:
    """A host with Ubuntu 22.04 and Python 3.11 that has these distributions, in this order."""
    fields = {"os_id": "ubuntu", "os_version": "22.04", "architecture": "x86_64", "glibc": "2.35", **more}
    interpreter = Interpreter(path="/databricks/python3/bin/python3", version=python)
    return Inventory(python=interpreter, distributions=distributions, **fields)


def a_cluster(**more: Any) -> Cluster:
    """A cluster `demo` of runtime 15.4."""
    return Cluster(**{"cluster_id": "1120-1", "cluster_name": "demo", "spark_version": "15.4.x-scala2.12", **more})


def a_snapshot(
    *distributions: Distribution, inventory: Inventory | None = None, cluster: Cluster | None = None, **more: Any
) -> Snapshot:
    """The snapshot of `inventory`, else of one with these distributions and fields (see `an_inventory`)."""
    return Snapshot(
        cluster=cluster or a_cluster(),
        inventory=inventory or an_inventory(*distributions, **more),
        taken=Taken(at="2026-11-20T12:00:00Z", host="10.0.0.4", dbmirror="0.1.0"),
    )


def lists(spelling: Spelling, mode: str = "blacklist", additions: FilterConfig | None = None) -> Lists:
    """One language's lists with the user's additions in front."""
    return Lists(
        mode=mode,
        whitelist=load("whitelist", spelling, additions),
        blacklist=load("blacklist", spelling, additions),
    )


def python_selection(
    snapshot: Snapshot,
    mode: str = "blacklist",
    *,
    additions: FilterConfig | None = None,
    repl: frozenset[str] = frozenset(),
    notebook: str | None = None,
) -> Selection[Distribution]:
    """What of the snapshot's Python packages is mirrored."""
    language = python.python_language(snapshot.inventory, runtime_repl=repl, notebook=notebook)
    return select(language, lists(python.SPELLING, mode, additions), snapshot=snapshot.digest)


def r_selection(
    snapshot: Snapshot,
    mode: str = "blacklist",
    *,
    additions: FilterConfig | None = None,
    notebook: str | None = None,
) -> Selection[RPackage]:
    """What of the snapshot's R packages is mirrored."""
    language = r_names.r_language(snapshot.inventory, notebook=notebook)
    return select(language, lists(r_names.SPELLING, mode, additions), snapshot=snapshot.digest)


def a_fate(name: str, version: str = "1.0", kind: FateKind = FateKind.MIRRORED, **more: Any) -> Fate:
    """The fate of a distribution of the runtime."""
    fields = {"layer": Layer.RUNTIME, "location": FOLDERS[Layer.RUNTIME], "reason": f"because {kind}", **more}
    return Fate(name=name, version=version, kind=kind, **fields)


def an_r_fate(
    name: str, version: str = "1.0", kind: FateKind = FateKind.MIRRORED, library: str = R_LIBRARY, **more: Any
) -> Fate:
    """The fate of an R package."""
    fields = {"reason": f"because {kind}", **more}
    return Fate(name=name, version=version, kind=kind, layer=layer_of_r_library(library), location=library, **fields)


def a_locked_package(name: str, version: str = "1.0", **more: Any) -> LockedPackage:
    """A package that goes into the image, from a captured wheel unless `source` says otherwise."""
    wheel = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    fields = {"source": CapturedWheel(path=f"wheels/{wheel}", sha256="0" * 64), "layer": ImageLayer.RUNTIME, **more}
    return LockedPackage(name=name, version=version, **fields)


def a_base(**more: Any) -> BaseImage:
    """A bare Ubuntu 22.04."""
    fields = {"reference": "ubuntu:22.04", "kind": BaseKind.BARE, "os_id": "ubuntu", "os_version": "22.04", **more}
    return BaseImage(**fields)


def a_lock(*packages: LockedPackage, target: Mapping[str, str] | None = None, **more: Any) -> Lock:
    """A lock of these packages for runtime 15.4 on a bare Ubuntu 22.04."""
    machine = Target(**{"python": "3.11.11", "architecture": "x86_64", "glibc": "2.35", **(target or {})})
    fields = {"snapshot": SNAPSHOT_DIGEST, "runtime": "15.4", "base": a_base(), "fates": (), **more}
    return Lock(target=machine, packages=packages, **fields)


def a_lab_lock(*, version: str = "1.0") -> LabLock:
    """A lab's lock with one file in each group."""

    def file(name: str) -> IndexFile:
        filename = f"{name}-{version}-py3-none-any.whl"
        address = "https://index.example"
        sha256 = sha256_hex(filename.encode())
        return IndexFile(filename=filename, url=f"{address}/{filename}", sha256=sha256, index=f"{address}/simple/")

    def deb(name: str) -> DebFile:
        filename = f"{name}_1%3a{version}_amd64.deb"
        url = f"http://archive.example/pool/{filename}"
        return DebFile(filename=filename, url=url, sha256=sha256_hex(filename.encode()), size=1)

    return LabLock(
        target=Target(python="3.11.11", architecture="x86_64", glibc="2.35"),
        wheels={name: (file(name),) for name in ("installer", "lab", "parallel", "spark")},
        debs=LabDebs(
            image="dbmirror/demo:15.4-0123456789ab",
            base="debian:bookworm",
            wanted={LAB: ("rsync",), PYTHON: ("python3.11",), TUNNEL: ("openssh-client",)},
            files={group: (deb(group),) for group in (LAB, PYTHON, TUNNEL, R_KERNEL)},
        ),
    )
