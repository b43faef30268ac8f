"""Snapshots of a few lines, for the filters."""

from collections.abc import Callable

import pytest

from dbmirror.inventory.model import Distribution, Interpreter, Inventory, Layer, Problem
from dbmirror.snapshot import Cluster, Snapshot, Taken

LOCATIONS = {
    Layer.NOTEBOOK: "/local_disk0/.ephemeral_nfs/envs/pythonEnv-1/lib/python3.11/site-packages",
    Layer.CLUSTER: "/local_disk0/.ephemeral_nfs/cluster_libraries/python/lib/python3.11/site-packages",
    Layer.RUNTIME: "/databricks/python3/lib/python3.11/site-packages",
    Layer.LOCAL: "/usr/local/lib/python3.11/dist-packages",
    Layer.APT: "/usr/lib/python3/dist-packages",
    Layer.EDGE: "/databricks/.python_edge_libs",
}


@pytest.fixture
def installed() -> Callable[..., Distribution]:
    """Makes a distribution."""

    def make(
        name: str,
        version: str = "1.0",
        layer: Layer = Layer.RUNTIME,
        *,
        location: str | None = None,
        requires: tuple[str, ...] = (),
    ) -> Distribution:
        return Distribution(
            name=name,
            spelling=name,
            version=version,
            layer=layer,
            location=location or LOCATIONS[layer],
            requires=requires,
        )

    return make


@pytest.fixture
def snapshot() -> Callable[..., Snapshot]:
    """Makes the snapshot of a cluster with Python 3.11 that has these distributions."""

    def make(*distributions: Distribution, problems: tuple[Problem, ...] = ()) -> Snapshot:
        inventory = Inventory(
            os_id="ubuntu",
            os_version="22.04",
            architecture="x86_64",
            glibc="2.35",
            python=Interpreter(path="/databricks/python3/bin/python3", version="3.11.11"),
            distributions=distributions,
            problems=problems,
        )
        return Snapshot(
            cluster=Cluster(cluster_id="1120-1", cluster_name="demo", spark_version="15.4.x-scala2.12"),
            inventory=inventory,
            taken=Taken(at="2026-11-20T12:00:00Z", host="10.0.0.4", dbmirror="0.1.0"),
        )

    return make
