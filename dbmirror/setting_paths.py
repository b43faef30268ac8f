"""Where the paths in dbmirror.toml may lead: the file may be a cloned one, which selects among what the user has."""

from __future__ import annotations

from pathlib import Path

from dbmirror.errors import UsageError
from dbmirror.folders import state_folder


class PathNotAllowed(UsageError):
    """A path in dbmirror.toml leads to a place that a cloned file may not name."""


def require_users_key(path: Path, *, origin: str) -> None:
    """Raises PathNotAllowed unless `path` is a file of ~/.ssh or of dbmirror's own state.

    The lab hands the key to a container that is made of the mirror's base: any other file would leave the machine.
    """
    if not any(_is_below(path, folder) for folder in (Path.home() / ".ssh", state_folder())):
        raise PathNotAllowed(
            f"{origin} names {path}, which is no file of ~/.ssh.",
            remedy="Move the key to ~/.ssh, or name it with IdentityFile in ~/.ssh/config.",
        )


def require_outside_repository(path: Path, *, root: Path, origin: str, remedy: str) -> None:
    """Raises PathNotAllowed where `path` is relative, or lies in the repository that has the folder `root`.

    What decides whom this machine trusts has to be on the machine already; it cannot come with a clone.
    """
    if not path.is_absolute() or _is_below(path, repository_of(root)):
        raise PathNotAllowed(
            f"{origin} names {path}, which comes with the repository: a clone cannot say whom this machine trusts.",
            remedy=remedy,
        )


def repository_of(folder: Path) -> Path:
    """The nearest folder from `folder` upwards that has a `.git`; `folder` itself where none has."""
    folder = folder.resolve()
    return next((each for each in (folder, *folder.parents) if (each / ".git").exists()), folder)


def _is_below(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())
