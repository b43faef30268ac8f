"""How a kernel in the lab logs in to the cluster's workspace: the address and the token that the lab was given."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from dbmirror_shim.errors import Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = Path("/run/dbmirror/workspace/token")
"""`dbmirror lab up` writes it; read anew for each session, so that a renewed one is used."""
CA_BUNDLE = Path("/run/secrets/ca-bundle")
"""The certificate authorities of the machine that the lab runs on; empty where it names none."""
_OWN = ("HOST", "TOKEN", "CONFIG_PROFILE", "AUTH_TYPE", "CLIENT_ID", "USERNAME")


class Login(NamedTuple):
    """What it takes to reach a cluster by its workspace. It holds the token: it must not be shown."""

    host: str
    """`https://…`"""
    token: str
    cluster: str

    @property
    def name(self) -> str:
        """The workspace's host, as messages name it."""
        return urlsplit(self.host).hostname or self.host


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
    try:
        token = TOKEN.read_text().strip()
    except FileNotFoundError:
        token = ""
    except OSError as error:
        raise Unavailable(
            f"the workspace's token cannot be read here ({error.strerror}); {remedy()} mends it."
        ) from None
    if not token:
        raise Unavailable(f"this lab has no token for the workspace {urlsplit(host).hostname}; {remedy()} brings one.")
    return Login(host, token, cluster)


def remedy() -> str:
    """The command that gives the lab its workspace and renews the token."""
    return f"'dbmirror lab up {os.environ.get('DBMIRROR_MIRROR') or 'MIRROR'}'"


def refused(error: Exception) -> bool:
    """Whether an error of a client says that the workspace does not take the token."""
    said = f"{type(error).__name__} {error}"
    words = ("UNAUTHENTICATED", "Unauthenticated", "Invalid access token", "invalid token", "token is expired")
    return any(each in said for each in words)


@contextmanager
def trusting() -> Iterator[None]:
    """Let gRPC and requests trust what the lab's machine trusts, unless the kernel's environment says otherwise."""
    names = ("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "REQUESTS_CA_BUNDLE")
    missing = [name for name in names if not os.environ.get(name)] if _has_bundle() else []
    os.environ.update(dict.fromkeys(missing, str(CA_BUNDLE)))
    try:
        yield
    finally:
        for name in missing:
            os.environ.pop(name, None)


def _has_bundle() -> bool:
    try:
        return bool(CA_BUNDLE.read_bytes().strip())
    except OSError:
        return False
