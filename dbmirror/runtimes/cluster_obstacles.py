"""Which clusters Databricks Container Services can run an image on: rule L25 of the contract, over plain facts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

STANDARD = frozenset({"USER_ISOLATION", "DATA_SECURITY_MODE_STANDARD", "LEGACY_TABLE_ACL", "LEGACY_PASSTHROUGH"})
"""Access modes of clusters that several people share, shut off from the driver."""
_ARM = re.compile(
    r"([a-z]+\d+g[a-z]*|a1)\.|Standard_[A-Z]+\d+(-\d+)?p[a-z]*_v\d|(t2a|c4a|n4a)-",
    re.ASCII,
)
"""Node types of AWS Graviton (`m6gd.large`), Azure Cobalt and Ampere (`Standard_D4ps_v5`), Google Axion and Ampere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """One reason why a cluster takes no image."""

    reason: str
    """Half a sentence, without a full stop: what is wrong."""
    remedy: str
    """A sentence: what would help."""


def obstacles(
    *, spark_version: str, node_types: Iterable[str | None], access_mode: str | None, use_ml_runtime: bool = False
) -> tuple[Obstacle, ...]:
    """Why Databricks Container Services cannot run an image on a cluster of this kind; empty where it can.

    `access_mode` is the data_security_mode of the Clusters API, None where it states none; `use_ml_runtime` is that
    field of the API, which makes a standard `spark_version` a machine learning one. Source: docs/contract.md, L25.
    """
    found: list[Obstacle] = []
    words = set(re.split(r"[-_.]", spark_version))
    if use_ml_runtime or words & {"ml", "hls"}:
        found.append(
            Obstacle(
                reason="ML runtimes take no custom image (the start ends in INVALID_SPARK_IMAGE)",
                remedy="Mirror a cluster with the standard runtime of the same version, and add the libraries there.",
            )
        )
    if "snapshot" in words or spark_version.startswith("custom:"):
        found.append(
            Obstacle(
                reason=f"the runtime {spark_version} is no released one",
                remedy="Mirror a cluster with a released runtime, best one with long-term support.",
            )
        )
    if access_mode in STANDARD:
        found.append(
            Obstacle(
                reason=f"access mode {access_mode}: custom images need dedicated access (single user)",
                remedy="Change the cluster's access mode to dedicated and take the snapshot again.",
            )
        )
    arm = sorted({node for node in node_types if node and _ARM.match(node)})
    if arm or "aarch64" in words:
        found.append(
            Obstacle(
                reason=f"{', '.join(arm)} is no x86 node type but arm64"
                if arm
                else f"the runtime {spark_version} is for arm64",
                remedy="Choose x86 node types (on AWS without Graviton) and take the snapshot again.",
            )
        )
    return tuple(found)
