"""An ssh config of dbmirror's own, a Host block for each cluster, that the user may include in ~/.ssh/config."""

from __future__ import annotations

import re
from pathlib import Path

from dbmirror.files import write_atomically
from dbmirror.folders import state_folder
from dbmirror.workspace.errors import WorkspaceUsageError

_HEAD = "# Written by 'dbmirror ssh setup'; blocks of other hosts are kept.\n"


def ssh_config_file() -> Path:
    """Where it lies."""
    return state_folder() / "ssh_config"


def include_line() -> str:
    """The one line that makes plain `ssh` know the clusters; it belongs at the top of ~/.ssh/config."""
    return f"Include {_quoted(str(ssh_config_file()))}"


def ssh_entry(
    alias: str, *, cluster_id: str, address: str, port: int, user: str, identity_file: Path, known_hosts: Path
) -> str:
    """The Host block called `alias` for a cluster, whose host key is pinned under its id in `known_hosts`.

    Raises WorkspaceUsageError where a value cannot stand in an ssh config.
    """
    lines = (
        f"Host {_word(alias)}",
        f"  HostName {_word(address)}",
        f"  Port {int(port)}",
        f"  User {_word(user)}",
        f"  HostKeyAlias {_word(cluster_id)}",
        f"  UserKnownHostsFile {_quoted(str(known_hosts))}",
        "  StrictHostKeyChecking yes",
        f"  IdentityFile {_quoted(str(identity_file))}",
        "  IdentitiesOnly yes",
        "  ServerAliveInterval 15",
    )
    return "".join(f"{line}\n" for line in lines)


def not_running(alias: str) -> str:
    """The address in the entry of a cluster that has no driver yet: ssh says of it that there is none."""
    return f"{alias}.not-running.invalid"


def follow_address(alias: str, *, cluster_id: str, address: str) -> bool:
    """Let the entry of `alias` lead to `address`, where its cluster's driver is now; True if it led elsewhere.

    Nothing is written where there is no entry of that alias and cluster.
    """
    path = ssh_config_file()
    text = path.read_text() if path.is_file() else ""
    _, *blocks = re.split(r"(?m)^(?=Host )", text)
    for block in blocks:
        if block.split(maxsplit=2)[1] == alias and f"  HostKeyAlias {cluster_id}\n" in block:
            followed = re.sub(r"(?m)^  HostName .*$", f"  HostName {_word(address)}", block)
            return write_ssh_entry(alias, followed.rstrip("\n") + "\n")
    return False


def write_ssh_entry(alias: str, block: str) -> bool:
    """Put `block` into dbmirror's own ssh config in place of the one of that alias; True if the file changed."""
    path = ssh_config_file()
    text = path.read_text() if path.is_file() else _HEAD
    head, *blocks = re.split(r"(?m)^(?=Host )", text)
    kept = [other.rstrip("\n") + "\n" for other in blocks if other.split(maxsplit=2)[1] != alias]
    whole = "\n".join([head.rstrip("\n") + "\n", *sorted([*kept, block])])
    return write_atomically(path, whole.encode(), mode=0o600)


def _word(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._:@+-]*", text):
        raise WorkspaceUsageError(f"{text!r} cannot stand in an ssh config.")
    return text


def _quoted(path: str) -> str:
    if re.search(r"[\"\x00-\x1f\x7f%]", path):
        raise WorkspaceUsageError(f"The path {path!r} cannot stand in an ssh config.")
    return f'"{path}"' if re.search(r"\s", path) else path
