"""What to do with a pushed image: a cluster that starts from it, for the Clusters API, Terraform and asset bundles."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from dbmirror.errors import UsageError
from dbmirror.files import canonical_json
from dbmirror.render.errors import RenderError
from dbmirror.render.file_templates import fill
from dbmirror.runtimes.cluster_obstacles import obstacles
from dbmirror.snapshot import Cluster, ClusterLibrary

"""The folder in the mirror's folder that the files are written to."""
AUTOTERMINATION_MINUTES: Final = 60
WORKERS: Final = 1
"""A snapshot does not say how large its cluster was."""
VOLUMES: Final = "spark.databricks.unityCatalog.volumes.enabled"
DRIVER_NFS: Final = "spark.databricks.driverNfs.enabled"

_TEMPLATES: Final = ("README.md", "cluster.tf", "databricks.yml", ".gitignore")
_REFERENCE: Final = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9.:-]*/[a-z0-9][a-z0-9._/-]*):[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII
)
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_SPARK_VERSION: Final = re.compile(r"[0-9][A-Za-z0-9._-]*", re.ASCII)
_NODE_TYPE: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]*", re.ASCII)
_SCOPE: Final = re.compile(r"[A-Za-z0-9_@][A-Za-z0-9_.@-]{0,127}", re.ASCII)
_KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", re.ASCII)
_ENGINES: Final = frozenset({"PHOTON", "STANDARD"})
_IN_THE_IMAGE: Final = frozenset({"pypi", "whl", "egg", "requirements"})


class DeploymentRefused(UsageError):
    """Databricks Container Services cannot run an image on such a cluster (rule L25)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullSecret:
    """Where the workspace keeps what its clusters pull the image with. Names only, never a value.

    Raises RenderError where Databricks allows no such name of a scope or a key.
    """

    scope: str = "dbmirror"
    username_key: str
    password_key: str

    def __post_init__(self) -> None:
        for name, grammar in ((self.scope, _SCOPE), (self.username_key, _KEY), (self.password_key, _KEY)):
            if not grammar.fullmatch(name):
                raise RenderError(
                    f"{name[:80]!r} cannot be the name of a secret {'scope' if grammar is _SCOPE else 'key'}.",
                    remedy="Use at most 128 letters, digits, '-', '_' and '.', a letter or digit first.",
                )

    @classmethod
    def for_registry(cls, registry: str, *, scope: str = "dbmirror") -> PullSecret:
        """The names by default for the registry that `--push` calls so: `REGISTRY-username`, `REGISTRY-password`."""
        return cls(scope=scope, username_key=f"{registry}-username", password_key=f"{registry}-password")

    def basic_auth(self) -> dict[str, str]:
        """What the Clusters API takes: references that the platform resolves when it pulls."""
        return {
            "username": f"{{{{secrets/{self.scope}/{self.username_key}}}}}",
            "password": f"{{{{secrets/{self.scope}/{self.password_key}}}}}",
        }


def render_deployment(
    cluster: Cluster,
    *,
    mirror: str,
    reference: str,
    digest: str,
    pull_secret: PullSecret | None,
    driver_nfs: bool = True,
) -> Mapping[str, bytes]:
    """The files of the mirror's `deploy/` folder by their name: the same values give the same bytes.

    `reference` (`HOST/REPOSITORY:TAG`) and `digest` (`sha256:…`) are what the push gave back. `pull_secret` is None
    where nobody has to log in: a public image, or a registry that the instance profile opens. `driver_nfs` is False
    where the image lacks `virtualenv`, which the platform otherwise needs for cluster libraries (rule L07).

    Raises DeploymentRefused where Container Services takes no image on such a cluster; RenderError where a fact of
    the cluster, the reference or the digest has not its form.
    """
    _refuse_obstacles(cluster)
    image = image_url(reference, digest)
    api = cluster_document(cluster, mirror=mirror, image=image, pull_secret=pull_secret, driver_nfs=driver_nfs)
    confs = sorted(api.get("spark_conf", {}).items())
    values = {
        "mirror": mirror,
        "reference": reference,
        "image": image,
        "cluster": api,
        "confs": confs,
        "conf_width": max((len(name) + 2 for name, _ in confs), default=0),
        "secret": pull_secret,
        "docker_hub": reference.startswith("docker.io/"),
        "init_scripts": cluster.init_scripts,
        "other_libraries": _other_libraries(cluster.libraries),
        "source": cluster.cluster_name,
    }
    files = {name: fill(f"deployment_templates/{name.removeprefix('.')}.j2", **values) for name in _TEMPLATES}
    return MappingProxyType({**files, "cluster.json": canonical_json(api)})


def image_url(reference: str, digest: str) -> str:
    """`HOST/REPOSITORY@sha256:…`: what a cluster pulls, whatever becomes of the tag. Raises RenderError.

    Without the host for Docker Hub, as the documentation of Container Services writes its images.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None or not _DIGEST.fullmatch(digest):
        raise RenderError(f"{reference[:200]!r} with {digest[:80]!r} is not an image that was pushed.")
    return f"{match['name'].removeprefix('docker.io/')}@{digest}"


def cluster_document(
    cluster: Cluster, *, mirror: str, image: str, pull_secret: PullSecret | None, driver_nfs: bool = True
) -> dict[str, Any]:
    """The body of `POST /api/2.1/clusters/create`. Raises RenderError where a fact of the cluster has not its form."""
    docker_image: dict[str, Any] = {"url": image}
    if pull_secret is not None:
        docker_image["basic_auth"] = pull_secret.basic_auth()
    confs = {}
    if cluster.uses_volumes:
        confs[VOLUMES] = "true"
    if not driver_nfs:
        confs[DRIVER_NFS] = "false"
    document = {
        "cluster_name": f"{mirror}-mirror",
        "spark_version": _matching(cluster.spark_version, _SPARK_VERSION, "a spark_version"),
        "docker_image": docker_image,
        "data_security_mode": "SINGLE_USER",
        "num_workers": WORKERS,
        "autotermination_minutes": AUTOTERMINATION_MINUTES,
    }
    for field, node in (("node_type_id", cluster.node_type), ("driver_node_type_id", cluster.driver_node_type)):
        if node is not None:
            document[field] = _matching(node, _NODE_TYPE, "a node type")
    if cluster.runtime_engine in _ENGINES:
        document["runtime_engine"] = cluster.runtime_engine
    if confs:
        document["spark_conf"] = confs
    return document


def _refuse_obstacles(cluster: Cluster) -> None:
    found = obstacles(
        spark_version=cluster.spark_version,
        node_types=(cluster.node_type, cluster.driver_node_type),
        access_mode=cluster.access_mode,
        use_ml_runtime=cluster.uses_ml_runtime,
    )
    if found:
        reasons = "; ".join(obstacle.reason for obstacle in found)
        raise DeploymentRefused(
            f"A cluster like {cluster.cluster_name} cannot start from the image (rule L25): {reasons}.",
            remedy=" ".join(obstacle.remedy for obstacle in found),
        )


def _other_libraries(libraries: tuple[ClusterLibrary, ...]) -> tuple[ClusterLibrary, ...]:
    """Those that no Python package of the image stands for."""
    return tuple(library for library in libraries if library.kind not in _IN_THE_IMAGE)


def _matching(value: str, pattern: re.Pattern[str], what: str) -> str:
    if not pattern.fullmatch(value):
        raise RenderError(f"{value[:80]!r} is not {what}.", remedy="Take the snapshot again.")
    return value
