"""Where dbmirror keeps what is its own on this machine; never inside ~/.ssh or ~/.databrickscfg."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def state_folder() -> Path:
    """Known hosts and the sandbox: `$DBMIRROR_HOME`, else the platform's state folder (`~/.local/state/dbmirror`)."""
    home = os.environ.get("DBMIRROR_HOME")
    return Path(home) if home else Path(platformdirs.user_state_dir("dbmirror", appauthor=False))


def cache_folder() -> Path:
    """What can be thrown away: `$DBMIRROR_HOME/cache`, else the platform's cache folder (`~/.cache/dbmirror`)."""
    home = os.environ.get("DBMIRROR_HOME")
    return Path(home) / "cache" if home else Path(platformdirs.user_cache_dir("dbmirror", appauthor=False))


def make_private(folder: Path) -> Path:
    """`folder`, made with those above it that are missing, for this user alone whatever the umask. Raises OSError.

    What is pinned, agreed to or remembered here is no other account's to write, nor the folder's to replace.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
    return folder


def known_hosts_file() -> Path:
    """The pinned host keys of drivers, under their clusters' ids (OpenSSH known_hosts format)."""
    return state_folder() / "known_hosts"


def pinned_starts_file() -> Path:
    """Which start of each cluster its host key was seen at last (JSON)."""
    return state_folder() / "pinned_starts.json"


def sandbox_folder() -> Path:
    """The sandbox's state: its profile file, its mirror defaults, its keys."""
    return state_folder() / "sandbox"


def sandbox_profile_file() -> Path:
    """The sandbox's own profile file, which is read after the user's."""
    return sandbox_folder() / "databrickscfg"


def ssh_key_of(profile: str) -> Path:
    """Where the SSH key of a profile lies: `~/.ssh/id_<profile>`, a `/` in its name written as `-`."""
    return Path.home() / ".ssh" / f"id_{profile.replace('/', '-')}"
