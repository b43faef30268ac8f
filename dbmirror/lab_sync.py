"""Copy files between the lab's notebooks and the driver, over the tunnel's connection."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from dbmirror.engine import compose
from dbmirror.engine.process import run
from dbmirror.errors import RemoteError, UsageError

_SSH: Final = (
    *("ssh", "-F", "none", "-S", "/run/dbmirror/tunnel/control", "-o", "BatchMode=yes"),
    *("-o", "ProxyCommand=false"),
)
"""Through the control socket or not at all: without it, the command in place of a connection fails at once."""
_NOTEBOOKS: Final = PurePosixPath("/home/lab/notebooks")


class SyncRefused(UsageError):
    """What is to be copied is not one side of each kind."""


class SyncFailed(RemoteError):
    """The copy did not come about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """A copy that was made."""

    source: str
    target: str
    by: str
    """`rsync`, or `tar` where the driver lacks it or its login shell prints something."""


def sync(
    folder: Path, source: str, target: str, *, dry_run: bool = False, on_line: Callable[[str], None] = lambda _: None
) -> Synced:
    """Make `target` a copy of `source`; one is `driver:PATH`, the other relative to the lab's notebooks folder.

    What is in a folder is added to a folder that is there; nothing is deleted. With `dry_run` only the way is found
    out. Raises SyncRefused, or SyncFailed where the tunnel is down or a side cannot be read or written.
    """
    outward = target.startswith("driver:")
    if outward == source.startswith("driver:"):
        raise SyncRefused(
            "One side of the copy must be on the driver and one in the notebooks folder.",
            remedy="Write the driver's side as driver:PATH, for example driver:/tmp/data.",
        )
    here, there = _in_notebooks(source if outward else target), _on_driver(target if outward else source)
    if compose.execute(folder, "lab", [*_SSH, "-O", "check", "driver"]).code != 0:
        raise SyncFailed(
            "The tunnel is not connected to the driver.", remedy="'dbmirror lab status MIRROR' says what it waits for."
        )
    done = Synced(source=source, target=target, by="rsync" if _rsync_works(folder) else "tar")
    if dry_run:
        return done
    first, second = (here, there) if outward else (there, here)
    if done.by == "rsync":
        is_folder = compose.execute(
            folder,
            "lab",
            ["test", "-d", here] if outward else [*_SSH, "driver", f"test -d {shlex.quote(there)}"],
        ).code
        ending = "/" if is_folder == 0 else ""
        first, second = (first, f"driver:{second}") if outward else (f"driver:{first}", second)
        options = ["--archive", "--no-owner", "--no-group", "--protect-args", "--mkpath", "--rsh", shlex.join(_SSH)]
        argv = ["rsync", *options, "--", first + ending, second + ending]
    else:
        argv = [
            "/opt/lab/bin/python",
            "-I",
            "/opt/lab/lib/dbmirror/copy.py",
            "to" if outward else "from",
            first,
            second,
        ]
    finished = run(compose.command(folder, "exec", "--no-TTY", "lab", *argv), on_stdout=on_line, check=False)
    if finished.code != 0:
        said = (finished.stderr.strip() or finished.stdout.strip()).splitlines()[-1:] or ["it said nothing"]
        raise SyncFailed(f"The copy from {source} to {target} failed: {said[0]}")
    return done


def _rsync_works(folder: Path) -> bool:
    """Whether the driver has rsync, and its login shell prints nothing that rsync would take for its own."""
    said = compose.execute(folder, "lab", [*_SSH, "driver", "command -v rsync"])
    return said.code == 0 and re.fullmatch(r"/\S+", said.stdout) is not None


def _on_driver(name: str) -> str:
    return _checked(name.removeprefix("driver:")) or "."


def _in_notebooks(name: str) -> str:
    path = _NOTEBOOKS / _checked(name)
    if not path.is_relative_to(_NOTEBOOKS) or ".." in path.parts:
        raise SyncRefused(f"{name!r} is not below the notebooks folder.", remedy="Name a path relative to notebooks/.")
    return str(path)


def _checked(name: str) -> str:
    if re.search(r"[\x00-\x1f\x7f]", name):
        raise SyncRefused(f"{name!r} holds control characters.")
    return name
