"""`spark`: a session that is made when a cell first uses it."""

from __future__ import annotations

import importlib.util
import os
import re
import socket
import ssl
from importlib.metadata import PackageNotFoundError, requires, version
from urllib.parse import quote, urlsplit

from dbmirror_shim.channel import renewing, tell_refusals
from dbmirror_shim.errors import Unavailable
from dbmirror_shim.login import Login, given_login, refused, remedy, trusting, users_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_DEFAULT_PORT = 15002
_SECONDS = 5.0
_OWN = ("DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_CLUSTER_ID")
_HOW = (
    f"It needs the workspace ({_OWN[0]}, {_OWN[1]} and {_OWN[2]}) or the address of a Spark Connect server "
    "(SPARK_REMOTE)."
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
    """A session of the cluster's Spark: by SPARK_REMOTE, by the workspace, or by the driver's own pyspark.

    The workspace is reached with the login of the kernel's environment, else with the lab's. Raises Unavailable.
    """
    try:
        with trusting():
            return _connected()
    except Unavailable:
        raise
    except ImportError as error:
        raise Unavailable(
            f"spark: the Spark client cannot be imported here: {error}. It needs pandas, pyarrow and grpcio of the "
            "environment that it runs in."
        ) from error
    except Exception as error:
        raise Unavailable(f"spark: no session could be made: {_said(error)} {_HOW}") from None


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
    try:
        login = given_login()
    except Unavailable as error:
        raise Unavailable(f"spark: {error} Or set SPARK_REMOTE for a Spark Connect server.") from None
    if login is not None:
        return _by_workspace(login)
    if _is_installed("databricks.connect") and knows_its_sdk():
        from databricks.connect import DatabricksSession  # type: ignore[import-untyped]  # noqa: PLC0415

        return DatabricksSession.builder.getOrCreate()
    missing = [name for name in _OWN if not os.environ.get(name)]
    if not missing:
        host, token, cluster = (os.environ[name] for name in _OWN)
        return SparkSession.builder.remote(workspace_address(host, cluster, token)).getOrCreate()
    if os.environ.get("DBMIRROR_SIDE") == "driver":
        return SparkSession.builder.getOrCreate()
    if users_own():
        raise Unavailable(f"spark: of the workspace that this kernel names, {' and '.join(missing)} is missing.")
    raise Unavailable(f"spark: nothing says where the cluster's Spark is. {_HOW}")


def _by_workspace(login: Login) -> Any:
    """A session with the lab's login, asked for its version once, so that a refused token is reported here.

    It is Spark's own, where databricks-connect's DatabricksSession would hold on to one token.
    """
    require_workspace(login)
    from pyspark.sql.connect.session import SparkSession  # type: ignore[import-not-found]  # noqa: PLC0415

    refusal = f"spark: the workspace {login.name} refuses the lab's token; {remedy()} renews an expired one."
    try:
        session = SparkSession.builder.channelBuilder(renewing(workspace_address(login.host, login.cluster))).create()
        os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"  # as `builder.remote` does: pyspark.sql.functions ask for it
        tell_refusals(session, refusal)
        _ = session.version
    except (ImportError, Unavailable):
        raise
    except Exception as error:
        text = f"spark: the workspace {login.name} gave no session on cluster {login.cluster}: {_said(error)}"
        raise Unavailable(refusal if refused(error) else text.replace(login.token, "…")) from None
    return session


def knows_its_sdk() -> bool:
    """Whether databricks-sdk is as new as databricks-connect asks for; the clusters up to 16.4 have an older one."""
    try:
        wanted = next((line for line in requires("databricks-connect") or () if line.startswith("databricks-sdk")), "")
        least = re.search(r">=\s*([0-9.]+)", wanted)
        return least is None or _numbers(version("databricks-sdk")) >= _numbers(least[1])
    except PackageNotFoundError:
        # On a cluster databricks-connect is a part of the runtime, without metadata of its own.
        return _is_installed("databricks.sdk")


def workspace_address(host: str, cluster: str, token: str = "") -> str:
    """The Spark Connect address of a cluster at its workspace. With a token in it, it must not be shown."""
    place = urlsplit(host if "://" in host else f"https://{host}")
    parameters = {"use_ssl": "true", "token": token, "x-databricks-cluster-id": cluster}
    listed = ";".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items() if value)
    return f"sc://{place.hostname}:{place.port or 443}/;{listed}"


def require_workspace(login: Login) -> None:
    """Raises Unavailable unless a server that is trusted here answers for the workspace: the client waits minutes."""
    host = urlsplit(login.host)
    if host.scheme != "https":
        raise Unavailable(
            f"spark: the workspace {login.host} has no Spark, for it speaks plain http, as the sandbox's does. "
            "'dbmirror sandbox up --spark' starts a driver that has one, and then the lab's SPARK_REMOTE names it."
        )
    if behind_proxy(host.hostname or ""):
        return
    try:
        # gRPC trusts the same, and tries for minutes where that does not do.
        context = ssl.create_default_context(cafile=os.environ.get("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH") or None)
        with socket.create_connection((host.hostname or "", host.port or 443), timeout=_SECONDS) as plain:
            context.wrap_socket(plain, server_hostname=host.hostname).close()
    except ssl.SSLError as error:
        raise Unavailable(
            f"spark: the certificate of the workspace {login.name} is not trusted here ({error.reason or error}). "
            f"Where a proxy signs it, {remedy()} with SSL_CERT_FILE set brings its certificate authority."
        ) from None
    except OSError as error:
        raise Unavailable(f"spark: the workspace {login.name} does not answer ({error.strerror or error}).") from None


def behind_proxy(host: str) -> bool:
    """Whether gRPC goes to `host` by way of a proxy: it takes these names in this order, and ends of host names."""
    if not any(os.environ.get(name) for name in ("grpc_proxy", "https_proxy", "http_proxy")):
        return False
    exempt = [os.environ[name] for name in ("no_grpc_proxy", "no_proxy") if os.environ.get(name)]
    ends = [end.strip().lower() for end in "".join(exempt[:1]).split(",")]
    return not any(end and host.lower().endswith(end) for end in ends)


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


def _said(error: Exception) -> str:
    """What a client's error says in one line, without a token."""
    text = str(error).strip()
    detail = re.search(r'details = "([^"]*)"', text)
    line = detail[1] if detail else (text.splitlines() or [type(error).__name__])[0]
    return re.sub(r"token=[^;\s]*", "token=…", line)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
