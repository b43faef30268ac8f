"""How a kernel in the lab logs in to the cluster's workspace: the address and the token that the lab was given."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from dbmirror_shim.errors import Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = Path("/run/dbmirror/workspace/token")
"""`dbmirror lab up` writes it; read anew whenever the workspace is asked, so that a renewed one is used."""
CA_BUNDLE = Path("/run/secrets/ca-bundle")
"""The certificate authorities of the machine that the lab runs on; empty where it names none."""
_OWN = ("HOST", "TOKEN", "CONFIG_PROFILE", "AUTH_TYPE", "CLIENT_ID", "USERNAME")
_TRUSTING = ("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "REQUESTS_CA_BUNDLE")


class Login(NamedTuple):
    """What it takes to reach a cluster by its workspace. It holds the token, which it does not show."""

    host: str
    """`https://…`"""
    token: str
    cluster: str

    @property
    def name(self) -> str:
        """The workspace's host, as messages name it."""
        return urlsplit(self.host).hostname or self.host

    def __repr__(self) -> str:
        return f"Login(host={self.host!r}, cluster={self.cluster!r})"


def users_own() -> bool:
    """Whether the user gave this kernel a login of their own, which is then the only one: no two are ever mixed."""
    return any(os.environ.get(f"DATABRICKS_{name}") for name in _OWN)


def given_login() -> Login | None:
    """The login that the lab was given; None for any other kernel than the mirror's, and where the user has their own.

    Raises Unavailable where the lab was given no workspace, or no token for it.
    """
    if os.environ.get("DBMIRROR_SIDE") != "mirror" or users_own():
        return None
    host = os.environ.get("DBMIRROR_WORKSPACE", "")
    cluster = os.environ.get("DATABRICKS_CLUSTER_ID") or os.environ.get("DBMIRROR_CLUSTER", "")
    if not (host and cluster):
        raise Unavailable(f"this lab was given no workspace; {remedy()} gives it the one of the mirror's profile.")
    parts = urlsplit(host)
    if parts.scheme != "https" and parts.hostname not in {"host.docker.internal", "localhost", "127.0.0.1"}:
        raise Unavailable(
            f"this lab was given the workspace {host}: a token is sent over https alone; {remedy()} mends it."
        )
    try:
        login = Login(host, TOKEN.read_text().strip(), cluster)
    except FileNotFoundError:
        login = Login(host, "", cluster)
    except OSError as error:
        raise Unavailable(
            f"the workspace's token cannot be read here ({error.strerror}); {remedy()} mends it."
        ) from None
    if not login.token:
        raise Unavailable(f"this lab has no token for the workspace {urlsplit(host).hostname}; {remedy()} brings one.")
    return login


def newest_token() -> str:
    """The token of the lab's file as it is now; empty where there is none to be read."""
    try:
        return TOKEN.read_text().strip()
    except OSError:
        return ""


def remedy() -> str:
    """The command that gives the lab its workspace and renews the token."""
    return f"'dbmirror lab up {os.environ.get('DBMIRROR_MIRROR') or 'MIRROR'}'"


def refused(error: Exception) -> bool:
    """Whether an error of a client says that the workspace does not take the token."""
    said = f"{type(error).__name__} {error}"
    words = ("UNAUTHENTICATED", "Unauthenticated", "Invalid access token", "invalid token", "token is expired")
    return any(each in said for each in words)


class _Trust:
    """How many threads ask the workspace now, and the names that the first of them set for all."""

    lock = threading.Lock()
    asking = 0
    names: tuple[str, ...] = ()


@contextmanager
def trusting() -> Iterator[None]:
    """Let gRPC and requests trust what the lab's machine trusts, unless the kernel's environment says otherwise.

    The environment is the process's: it holds until the last of the threads that overlap has left.
    """
    with _Trust.lock:
        if not _Trust.asking:
            _Trust.names = tuple(name for name in _TRUSTING if not os.environ.get(name)) if _has_bundle() else ()
            os.environ.update(dict.fromkeys(_Trust.names, str(CA_BUNDLE)))
        _Trust.asking += 1
    try:
        yield
    finally:
        with _Trust.lock:
            _Trust.asking -= 1
            if not _Trust.asking:
                for name in _Trust.names:
                    os.environ.pop(name, None)


def _has_bundle() -> bool:
    try:
        return bool(CA_BUNDLE.read_bytes().strip())
    except OSError:
        return False
