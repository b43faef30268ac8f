"""`spark`: a session that is made when a cell first uses it."""

from __future__ import annotations

import importlib.util
import os
import re
import socket
from importlib.metadata import PackageNotFoundError, requires, version
from urllib.parse import urlsplit

from dbmirror_shim.errors import Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_DEFAULT_PORT = 15002
_SECONDS = 5.0
_HOW = (
    "It needs the workspace (DATABRICKS_HOST, DATABRICKS_TOKEN and DATABRICKS_CLUSTER_ID) or the address of a Spark "
    "Connect server (SPARK_REMOTE)."
)


class LazySession:
    """Stands for the session until it is used, and then gives its name in the notebook to the session itself."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        object.__setattr__(self, "_namespace", namespace)

    def _resolve(self) -> Any:
        namespace = object.__getattribute__(self, "_namespace")
        if namespace.get("spark", self) is self:
            namespace["spark"] = new_session()
        return namespace["spark"]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # front ends and completers look for these wherever they meet a name
            raise AttributeError(name)
        return getattr(self._resolve(), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._resolve(), name, value)

    def __repr__(self) -> str:
        return "<spark: connects when it is used>"


def new_session() -> Any:
    """A session of the cluster's Spark: by SPARK_REMOTE, by databricks-connect, or by the driver's own pyspark.

    Raises Unavailable.
    """
    try:
        return _connected()
    except Unavailable:
        raise
    except ImportError as error:
        raise Unavailable(
            f"spark: the Spark client cannot be imported here: {error}. It needs pandas, pyarrow and grpcio of the "
            "environment that it runs in."
        ) from error
    except Exception as error:
        said = re.sub(r"token=[^;\s]*", "token=…", (str(error).strip().splitlines() or [type(error).__name__])[0])
        raise Unavailable(f"spark: no session could be made: {said} {_HOW}") from error


def _connected() -> Any:
    remote = os.environ.get("SPARK_REMOTE", "")
    if not _is_installed("pyspark"):
        raise Unavailable(
            "spark: there is no Spark client in this kernel. The lab has one for Databricks Runtime 13.3 and later; on "
            "the driver it is the cluster's own."
        )
    from pyspark.sql import SparkSession  # type: ignore[import-not-found]  # noqa: PLC0415

    if remote:
        require_answer(remote)
        return SparkSession.builder.remote(remote).getOrCreate()
    if _is_installed("databricks.connect") and knows_its_sdk():
        from databricks.connect import DatabricksSession  # type: ignore[import-untyped]  # noqa: PLC0415

        return DatabricksSession.builder.getOrCreate()
    address = workspace_address()
    if address:
        return SparkSession.builder.remote(address).getOrCreate()
    if os.environ.get("DBMIRROR_SIDE") == "driver":
        return SparkSession.builder.getOrCreate()
    raise Unavailable(f"spark: nothing says where the cluster's Spark is. {_HOW}")


def knows_its_sdk() -> bool:
    """Whether databricks-sdk is as new as databricks-connect asks for; the clusters up to 16.4 have an older one."""
    try:
        wanted = next((line for line in requires("databricks-connect") or () if line.startswith("databricks-sdk")), "")
        least = re.search(r">=\s*([0-9.]+)", wanted)
        return least is None or _numbers(version("databricks-sdk")) >= _numbers(least[1])
    except PackageNotFoundError:
        # On a cluster databricks-connect is a part of the runtime, without metadata of its own.
        return _is_installed("databricks.sdk")


def workspace_address() -> str:
    """The cluster's Spark Connect address at the workspace, from DATABRICKS_* of this kernel; empty without them.

    It holds the token: it must not be shown.
    """
    host = urlsplit(os.environ.get("DATABRICKS_HOST", ""))
    token, cluster = (os.environ.get(f"DATABRICKS_{name}", "") for name in ("TOKEN", "CLUSTER_ID"))
    if not (host.hostname and token and cluster):
        return ""
    return f"sc://{host.hostname}:{host.port or 443}/;use_ssl=true;token={token};x-databricks-cluster-id={cluster}"


def require_answer(remote: str) -> None:
    """Raises Unavailable unless something listens at `remote`, `sc://HOST:PORT/…`: the client itself waits minutes."""
    try:
        address = urlsplit(remote)
        host, port = address.hostname or "", address.port or _DEFAULT_PORT
    except ValueError:
        host = ""
    if not remote.startswith("sc://") or not host:
        raise Unavailable("spark: SPARK_REMOTE is not of the form sc://HOST:PORT.")
    try:
        socket.create_connection((host, port), timeout=_SECONDS).close()
    except OSError as error:
        raise Unavailable(
            f"spark: no Spark Connect server answers at {host} port {port} ({error.strerror or error}). "
            "In the lab this port leads through the tunnel: 'dbmirror lab status' says whether it is connected."
        ) from error


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
