"""The clusters, libraries and node types that the stand-in workspace starts with, as the API states them."""

from __future__ import annotations

import hashlib
from typing import Any, Final

USER: Final = "sandbox@dbmirror.example"

NODE_TYPES: Final[tuple[dict[str, Any], ...]] = tuple(
    {
        "node_type_id": name,
        "memory_mb": memory,
        "num_cores": cores,
        "description": name,
        "instance_type_id": name,
        "category": category,
        "is_deprecated": False,
        "is_graviton": graviton,
        "is_hidden": False,
        "num_gpus": 0,
        "photon_driver_capable": True,
        "photon_worker_capable": True,
        "support_cluster_tags": True,
        "support_ebs_volumes": True,
        "support_port_forwarding": True,
    }
    for name, memory, cores, category, graviton in (
        ("m5d.large", 8192, 2.0, "General Purpose", False),
        ("i3.xlarge", 31232, 4.0, "Storage Optimized", False),
        ("m6gd.large", 8192, 2.0, "General Purpose (AWS Graviton)", True),
    )
)

SPARK_VERSIONS: Final = (
    {"key": "15.4.x-scala2.12", "name": "15.4 LTS (includes Apache Spark 3.5.0, Scala 2.12)"},
    {"key": "15.4.x-cpu-ml-scala2.12", "name": "15.4 LTS ML (includes Apache Spark 3.5.0, Scala 2.12)"},
)


def clusters(public_key: str, *, first_id: str) -> list[dict[str, Any]]:
    """The specifications of the clusters; the first, `first_id`, is the one that runs, all others are terminated.

    `public_key` is the OpenSSH key that all but one of them accept.
    """
    common: dict[str, Any] = {
        "spark_version": "15.4.x-scala2.12",
        "node_type_id": "m5d.large",
        "driver_node_type_id": "m5d.large",
        "num_workers": 0,
        "data_security_mode": "SINGLE_USER",
        "single_user_name": USER,
        "runtime_engine": "STANDARD",
        "autotermination_minutes": 0,
        "enable_elastic_disk": True,
        "spark_conf": {"spark.master": "local[*, 4]", "spark.databricks.cluster.profile": "singleNode"},
        "custom_tags": {"ResourceClass": "SingleNode"},
        "ssh_public_keys": [public_key],
        "init_scripts": [],
    }
    others: tuple[tuple[str, dict[str, Any]], ...] = (
        ("nightly", {}),
        ("training", {"spark_version": "15.4.x-cpu-ml-scala2.12"}),
        ("team", {"data_security_mode": "USER_ISOLATION", "single_user_name": None}),
        ("graviton", {"node_type_id": "m6gd.large", "driver_node_type_id": "m6gd.large"}),
        ("keyless", {"ssh_public_keys": []}),
    )
    initialised = {"workspace": {"destination": "/Shared/init/observability.sh"}}
    volumes = {**common["spark_conf"], "spark.databricks.unityCatalog.volumes.enabled": "true"}
    demo = {"cluster_id": first_id, "cluster_name": "demo", "init_scripts": [initialised], "spark_conf": volumes}
    return [{**common, **demo}] + [
        {**common, "cluster_id": make_cluster_id(first_id, name), "cluster_name": name, **special}
        for name, special in others
    ]


def make_cluster_id(*identity: str) -> str:
    """An id of the form that Databricks gives, the same for the same `identity`.

    A sandbox that is made again is the same cluster, so that a mirror of the one before goes on with it.
    """
    digest = hashlib.sha256("\0".join(identity).encode()).hexdigest()
    return f"1120-081500-{digest[:8]}"


def libraries(files_url: str, commit: str, *, r: bool = False) -> list[dict[str, Any]]:
    """The libraries of the cluster that runs, as the driver has them, with `r` one of R; and one that failed."""
    installed: list[dict[str, Any]] = [
        {"whl": "/Volumes/main/default/wheels/dbmirror_sandbox_forecast-1.4.0-py3-none-any.whl"},
        {"pypi": {"package": "simplejson==3.19.2"}},
        {"pypi": {"package": "tabulate==0.9.0"}},
        {"pypi": {"package": "certifi==2024.7.4"}},
        {"pypi": {"package": "urllib3==1.26.18"}},
        {"pypi": {"package": "requests==2.31.0"}},
        {"pypi": {"package": f"{files_url}/files/dbmirror_sandbox_calendar-0.3.0-py3-none-any.whl"}},
        {"pypi": {"package": f"git+{files_url}/git/metrics.git@{commit}"}},
        {"maven": {"coordinates": "com.acme:acme-udfs_2.12:1.0"}},
    ]
    if r:
        installed.append({"cran": {"package": "sandboxGreeting"}})
    failed = {
        "library": {"pypi": {"package": "dbmirror-sandbox-missing==9.9.9"}},
        "status": "FAILED",
        "messages": [
            "Library installation attempted on the driver node of the cluster and failed. Error code: "
            "ERROR_NO_MATCHING_DISTRIBUTION. pip could not find a version that satisfies the requirement "
            "dbmirror-sandbox-missing==9.9.9."
        ],
        "is_library_for_all_clusters": False,
    }
    statuses: list[dict[str, Any]] = [
        {"library": library, "status": "INSTALLED", "is_library_for_all_clusters": False} for library in installed
    ]
    return [*statuses, failed]
