"""What is to be copied: a source, a target, and what the two sides have there."""

from __future__ import annotations

import os
import posixpath
import stat
from dataclasses import dataclass
from pathlib import Path

from dbmirror_lab.sync.report import Problem

FOLDER, FILE, OTHER = "folder", "file", "other"
"""The kinds of what a path leads to; None where it leads nowhere."""


@dataclass(frozen=True)
class Job:
    """One copy."""

    to_driver: bool
    source: str
    target: str
    """The path that becomes the copy."""
    folder: bool
    """Whether the source is a folder, whose content is added to the target's."""
    dry_run: bool
    control: Path
    """The tunnel's control socket."""


def in_lab(root: Path, name: str) -> str:
    """The path of `name` below `root`, links followed; a slash at the end stays. Raises Problem where it leads out."""
    home = os.path.realpath(root)
    path = os.path.realpath(Path(home, name))
    if path != home and not path.startswith(home + os.sep):
        raise Problem(
            f"{name} leads out of the notebooks folder.",
            remedy="Name a path below notebooks/ that no symbolic link leads out of.",
            usage=True,
        )
    return path + ("/" if name.endswith("/") and path != home else "")


def on_driver(name: str) -> str:
    """The driver's path of `name`: absolute, or relative to the home folder; never an option or a user's home."""
    if name == "~" or name.startswith("~/"):
        name = name[2:]
    return name if name.startswith("/") else f"./{name}"


def kind_in_lab(path: str) -> str | None:
    """What is at `path` in the lab, links followed."""
    try:
        return kind_of(Path(path).stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Problem(f"{path} could not be read in the lab: {error.strerror}.") from None


def kind_of(mode: int) -> str:
    """The kind that the bits of `mode` state."""
    return FOLDER if stat.S_ISDIR(mode) else FILE if stat.S_ISREG(mode) else OTHER


def aim(
    source: str, source_kind: str | None, target: str, target_kind: str | None, *, name: str, to_driver: bool
) -> str:
    """The path that becomes the copy: a file goes, as `name`, into a folder that is there or is named with a slash.

    Raises Problem where the source is missing or cannot be copied, or a folder would have to replace a file.
    """
    if source_kind is None:
        where = f"There is no {source} in the lab." if to_driver else f"The driver has no {source}."
        raise Problem(where, remedy="Check the path; letter case counts.", usage=to_driver)
    if source_kind == OTHER:
        raise Problem(f"{source} is neither a file nor a folder.", usage=to_driver)
    if source_kind == FILE:
        into = target.endswith("/") or target_kind == FOLDER
        return posixpath.join(target, name) if into else target
    if target_kind not in {None, FOLDER}:
        raise Problem(f"{target} is a file, and {source} a folder.", remedy="Name another target.", usage=True)
    return target.rstrip("/") or "/"
