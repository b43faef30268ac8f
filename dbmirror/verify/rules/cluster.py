"""Rules about what stands around the image: its base, and the cluster that it is to run on."""

from __future__ import annotations

import re
from typing import Final

from dbmirror.lock.model import BaseKind
from dbmirror.runtimes.lookup import parse_spark_version
from dbmirror.runtimes.model import RuntimeUnknown
from dbmirror.verify.evidence import Evidence
from dbmirror.verify.model import Severity
from dbmirror.verify.rules.rule import Result, failed, passed

_GRAVITON: Final = re.compile(r"^[a-z]+\d+g[a-z]*\.")
"""AWS instance families with a `g` after the generation: `m6g.large`, `r7gd.xlarge`."""
_ARM_AZURE: Final = re.compile(r"^Standard_[A-Z]+\d+p", re.IGNORECASE)
_DEDICATED: Final = frozenset(
    {"SINGLE_USER", "DATA_SECURITY_MODE_DEDICATED", "LEGACY_SINGLE_USER", "LEGACY_SINGLE_USER_STANDARD"}
)
_SHARED: Final = frozenset({"USER_ISOLATION", "DATA_SECURITY_MODE_STANDARD", "LEGACY_PASSTHROUGH", "LEGACY_TABLE_ACL"})


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
    if spark.ml or spark.gpu:
        defects.append(
            f"{facts.spark_version} is a machine learning runtime, with which custom containers do not start "
            "(INVALID_SPARK_IMAGE): run the image on the standard runtime of the same version"
        )
    if spark.snapshot or spark.custom:
        defects.append(f"{facts.spark_version} is no release: custom containers do not start with it")
    if spark.aarch64 or any(
        node and (_GRAVITON.match(node) or _ARM_AZURE.match(node)) for node in (facts.node_type, facts.driver_node_type)
    ):
        defects.append("the cluster's machines are arm64, which custom containers do not support: choose amd64 ones")
    if evidence.lock.runtime not in {spark.release, f"{spark.release}.0"}:
        defects.append(f"the image is for runtime {evidence.lock.runtime}, the cluster runs {spark.release}")
    if facts.access_mode in _SHARED:
        defects.append(f"the access mode {facts.access_mode} does not allow custom containers: use dedicated access")
    elif facts.access_mode not in _DEDICATED:
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
