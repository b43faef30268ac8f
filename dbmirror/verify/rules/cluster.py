"""Rules about the image's base and about the cluster that it is for."""

from __future__ import annotations

from typing import Final

from dbmirror.lock.model import BaseKind
from dbmirror.runtimes.cluster_obstacles import obstacles
from dbmirror.runtimes.lookup import parse_spark_version
from dbmirror.runtimes.model import RuntimeUnknown
from dbmirror.verify.evidence import Evidence
from dbmirror.verify.model import Severity
from dbmirror.verify.rules.rule import Result, failed, passed

_DEDICATED: Final = frozenset(
    {"SINGLE_USER", "DATA_SECURITY_MODE_DEDICATED", "LEGACY_SINGLE_USER", "LEGACY_SINGLE_USER_STANDARD"}
)


def base(evidence: Evidence) -> Result:
    """L22: tags move; an image of another runtime, or one that moves under the lock, broke clusters."""
    reference = evidence.lock.base.reference
    name, _, digest = reference.partition("@")
    head, colon, tag = name.rpartition(":")
    tag = tag if colon and "/" not in tag else ""
    if tag in {"latest", "experimental"} or (not tag and not digest):
        return failed(f"The base {reference} has a tag that moves; name a release or a digest.")
    if evidence.lock.base.kind is BaseKind.OFFICIAL and tag not in {"", f"{evidence.runtime.version}-LTS"}:
        return failed(f"The base {reference} is not {head}:{evidence.runtime.version}-LTS, the one for this runtime.")
    if digest:
        return passed(f"The base is {reference}, by digest.")
    if evidence.lock.base.kind is BaseKind.BARE and evidence.lock.base.image_id:
        return passed(f"The base {reference} has no digest (it is no registry's); the lock pins its id.")
    return failed(f"The base {reference} is named by a tag alone, and tags move.", severity=Severity.WARNING)


def cluster(evidence: Evidence) -> Result:
    """L25: what of the source cluster a cluster with this image cannot have."""
    facts = evidence.snapshot.cluster
    defects: list[str] = []
    warnings: list[str] = []
    try:
        spark = parse_spark_version(facts.spark_version)
    except RuntimeUnknown as error:
        return failed(error.message)
    found = obstacles(
        spark_version=facts.spark_version,
        node_types=(facts.node_type, facts.driver_node_type),
        access_mode=facts.access_mode,
        use_ml_runtime=facts.uses_ml_runtime,
    )
    defects += [f"{obstacle.reason}: {obstacle.remedy.rstrip('.')}" for obstacle in found]
    if evidence.lock.runtime != spark.release and not evidence.lock.runtime.startswith(f"{spark.release}."):
        defects.append(f"the image is for runtime {evidence.lock.runtime}, the cluster runs {spark.release}")
    if facts.access_mode not in _DEDICATED and not defects:
        warnings.append(f"the access mode is {facts.access_mode or 'not stated'}: use dedicated access")
    if defects:
        return failed(_sentence(defects + warnings))
    if warnings:
        return failed(_sentence(warnings), severity=Severity.WARNING)
    volumes = (
        ""
        if facts.uses_volumes
        else (" Unity Catalog volumes need the Spark conf 'spark.databricks.unityCatalog.volumes.enabled true'.")
    )
    return passed(f"A cluster like this one ({facts.spark_version}, {facts.access_mode}) can use the image.{volumes}")


def _sentence(parts: list[str]) -> str:
    text = "; ".join(parts)
    return text[0].upper() + text[1:] + "."
