"""`dbutils`: this machine's files and widgets by itself, all else through the workspace, given its credentials."""

from __future__ import annotations

import os
from functools import lru_cache

from dbmirror_shim.errors import NotebookExit, Unavailable
from dbmirror_shim.local_files import LocalFiles
from dbmirror_shim.login import Login, given_login, refused, remedy, trusting, users_own
from dbmirror_shim.widgets import Widgets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_LOCAL = "file:"
_HOW = "Set DATABRICKS_HOST and DATABRICKS_TOKEN (or DATABRICKS_CONFIG_PROFILE, with its file) for this kernel."


class Utilities:
    """What is there of Databricks' `dbutils`; the rest raises Unavailable with its name."""

    def __init__(self) -> None:
        self.fs = Files()
        self.widgets = Widgets()
        self.secrets = Secrets()
        self.notebook = Notebook()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise Unavailable(
            f"dbutils.{name} exists in notebooks of Databricks only; here are fs, widgets, secrets, notebook."
        )


class Files:
    """`dbutils.fs`: paths that start with `file:` are this machine's, all others the workspace's (DBFS, volumes)."""

    def ls(self, path: str) -> list[Any]:
        """The entries of a folder."""
        return list(self._chosen("ls", path)(path))

    def head(self, path: str, max_bytes: int = 65536) -> str:
        """The first bytes of a file, as text."""
        return str(self._chosen("head", path)(path, max_bytes))

    def put(self, path: str, contents: str, overwrite: bool = False) -> bool:
        """Write a text into a file."""
        return bool(self._chosen("put", path)(path, contents, overwrite))

    def mkdirs(self, path: str) -> bool:
        """Make a folder and those above it."""
        return bool(self._chosen("mkdirs", path)(path))

    def rm(self, path: str, recurse: bool = False) -> bool:
        """Remove a file, or a folder with `recurse`."""
        return bool(self._chosen("rm", path)(path, recurse))

    def cp(self, source: str, target: str, recurse: bool = False) -> bool:
        """Copy a file, or a folder with `recurse`; either side may be this machine's."""
        return bool(self._chosen("cp", source, target)(source, target, recurse))

    def mv(self, source: str, target: str, recurse: bool = False) -> bool:
        """Move a file, or a folder with `recurse`; either side may be this machine's."""
        return bool(self._chosen("mv", source, target)(source, target, recurse))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise Unavailable(f"dbutils.fs.{name} exists in notebooks of Databricks only.")

    def _chosen(self, name: str, *paths: str) -> Callable[..., Any]:
        if all(path.startswith(_LOCAL) for path in paths):
            chosen: Callable[..., Any] = getattr(LocalFiles, name)
            return chosen
        return asked(f"dbutils.fs.{name} of a path outside 'file:'", lambda there: getattr(there.fs, name))


class Secrets:
    """`dbutils.secrets`, as the workspace answers."""

    def get(self, scope: str, key: str) -> str:
        """A secret's value; take care where it goes, nothing here hides it in outputs."""
        return str(asked("dbutils.secrets.get", lambda there: there.secrets.get)(scope, key))

    def list(self, scope: str) -> Any:
        """The keys of a scope."""
        return asked("dbutils.secrets.list", lambda there: there.secrets.list)(scope)

    def listScopes(self) -> Any:  # noqa: N802  Databricks' own name
        """The scopes of the workspace."""
        return asked("dbutils.secrets.listScopes", lambda there: there.secrets.listScopes)()


class Notebook:
    """`dbutils.notebook`: a notebook can end itself, and cannot run another one here."""

    def exit(self, value: object = "") -> None:
        """End the cell, and what was queued with it."""
        raise NotebookExit(str(value))

    def run(self, *_: object, **__: object) -> None:
        """Raises Unavailable: a job would run it elsewhere."""
        raise Unavailable(
            "dbutils.notebook.run starts a job on Databricks; here IPython's '%run other.ipynb' runs a notebook."
        )


def asked(what: str, method: Callable[[Any], Callable[..., Any]]) -> Callable[..., Any]:
    """A method of the workspace's own `dbutils`, by databricks-sdk: `method` picks it.

    It raises Unavailable, naming `what` needs it, where there is no login or the workspace refuses it.
    """

    def call(*arguments: Any) -> Any:
        with trusting():
            try:
                return method(_remote(given_login(), _environment()))(*arguments)
            except ImportError as error:
                raise Unavailable(f"{what} needs the package databricks-sdk in this kernel's environment.") from error
            except Unavailable as error:
                raise Unavailable(f"{what} needs the workspace, and {error}") from None
            except Exception as error:
                if not refused(error):
                    # The frames of the client hold the token, and IPython can show what is in frames.
                    raise error.with_traceback(None) from None
                _remote.cache_clear()
                mend = "" if users_own() else f" {remedy()} renews an expired one."
                raise Unavailable(f"{what}: the workspace refuses the token.{mend}") from None

    return call


def _environment() -> int:
    """A number that changes with what the kernel's environment says of workspaces."""
    return hash(frozenset(item for item in os.environ.items() if item[0].startswith("DATABRICKS_")))


@lru_cache(maxsize=1)
def _remote(login: Login | None, environment: int) -> Any:
    """The client for the lab's `login`; None for what the kernel's environment says. Each environment has its own."""
    from databricks.sdk.config import Config  # noqa: PLC0415
    from databricks.sdk.dbutils import RemoteDbUtils  # noqa: PLC0415

    if login is not None:
        config = Config(host=login.host, token=login.token, cluster_id=login.cluster, auth_type="pat")
        return RemoteDbUtils(config)
    if not users_own():
        raise Unavailable(f"there are no credentials for it here. {_HOW}")
    try:
        return RemoteDbUtils(Config())
    except ValueError as error:
        raise Unavailable(f"the credentials of this kernel do not do. {_HOW}") from error
