"""What a dbmirror.toml may say that came with a clone: it selects among what the user has, and brings nothing."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from urllib.parse import urlsplit

from dbmirror.errors import UsageError
from dbmirror.folders import state_folder
from dbmirror.http_client.addresses import is_loopback


class SettingNotAllowed(UsageError):
    """dbmirror.toml says what a cloned file may not say."""


def require_users_key(path: Path, *, origin: str) -> None:
    """Raises SettingNotAllowed unless `path` is a file of ~/.ssh or of dbmirror's own state.

    The lab hands the key to a container that is made of the mirror's base: any other file would leave the machine.
    """
    if not any(_is_below(path, folder) for folder in (Path.home() / ".ssh", state_folder())):
        raise SettingNotAllowed(
            f"{origin} names {path}, which is no file of ~/.ssh.",
            remedy="Move the key to ~/.ssh, or name it with IdentityFile in ~/.ssh/config.",
        )


def require_outside_repository(path: Path, *, root: Path, origin: str, remedy: str) -> None:
    """Raises SettingNotAllowed where `path` is relative, or lies in the repository that has the folder `root`.

    What decides whom this machine trusts has to be on the machine already; it cannot come with a clone.
    """
    if not path.is_absolute() or _is_below(path, repository_of(root)):
        raise SettingNotAllowed(
            f"{origin} names {path}, which comes with the repository: a clone cannot say whom this machine trusts.",
            remedy=remedy,
        )


def require_login_kept(url: str, *, origin: str) -> None:
    """Raises SettingNotAllowed where ~/.netrc has a login for the host of `url` that would go there unencrypted."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return  # said where the address is used
    if parts.scheme != "http" or is_loopback(host):
        return
    from dbmirror.http_client.netrc_file import netrc_login  # noqa: PLC0415 - few need it, and it takes its time

    if netrc_login(url, users=False) is not None:
        raise SettingNotAllowed(
            f"{origin} names {host} over http, and ~/.netrc has a login for it: it is sent over https alone.",
            remedy="Write the address with https://.",
        )


def stranger_above(path: Path, start: Path) -> int | None:
    """The user number of the account that owns `path`, a file above the folder `start`, where it is a stranger's.

    No stranger is this user, root, or who owns `start`; in `start` itself nobody is, unless everybody can write there.
    A neighbour can put a file of settings, or a link to one, into /tmp, and change what is built beside it while it is
    built.
    """
    if path.parent == start and not start.stat().st_mode & stat.S_IWOTH:
        return None
    return _stranger(path, {0, os.geteuid(), owner_of(start)})


def owner_of(path: Path, *, follow: bool = True) -> int:
    """The number of the user who owns `path`; with `follow` of what a link there leads to."""
    return path.stat(follow_symlinks=follow).st_uid


def repository_of(folder: Path) -> Path:
    """The nearest folder from `folder` upwards that has a `.git`, no stranger's; `folder` itself where none has."""
    folder = folder.resolve()
    known = {0, os.geteuid(), *([owner_of(folder)] if folder.exists() else [])}
    found = (each for each in (folder, *folder.parents) if (each / ".git").exists())
    return next((each for each in found if _stranger(each / ".git", known) is None), folder)


def repository_owner(repository: Path) -> int | None:
    """The number of another user who owns the work tree or its `.git`: git refuses such a one unless it is told."""
    owners = (_stranger(each, {os.geteuid()}) for each in (repository, repository / ".git"))
    return next((owner for owner in owners if owner is not None), None)


def _stranger(path: Path, known: set[int]) -> int | None:
    """Who owns `path`, or what a link there leads to, and is none of `known`."""
    return next((owner for follow in (False, True) if (owner := owner_of(path, follow=follow)) not in known), None)


def _is_below(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())
