"""How a pipeline installs dbmirror: from an index, a committed wheel or a git commit, every file pinned."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Final

from dbmirror.render.errors import RenderError

_VERSION: Final = re.compile(r"[0-9][A-Za-z0-9.]*", re.ASCII)
_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_COMMIT: Final = re.compile(r"[0-9a-f]{40}", re.ASCII)
_GIT_URL: Final = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._-]+)+", re.ASCII)


@dataclass(frozen=True, slots=True)
class FromIndex:
    """A release on the runner's package index."""

    version: str
    sha256: tuple[str, ...]
    """Of each of its files."""


@dataclass(frozen=True, slots=True)
class FromWheel:
    """A wheel that is committed with the mirrors."""

    path: PurePosixPath
    """From the repository's root."""
    sha256: str


@dataclass(frozen=True, slots=True)
class FromGit:
    """A commit of a repository."""

    url: str
    """`https://HOST/PATH`."""
    commit: str


Installation = FromIndex | FromWheel | FromGit


def render_requirements(installation: Installation) -> bytes:
    """The requirements file that a pipeline installs: dbmirror and all that it needs, with hashes.

    A commit has no hash that pip could check: it is missing here, and `git_requirement` names it. Raises RenderError
    where a value has not its form.
    """
    lines = ["# What the pipeline installs, each file by its hash. Written by 'dbmirror ci'."]
    match installation:
        case FromIndex(version=version, sha256=hashes):
            _require(_VERSION, version, "version of dbmirror that is on an index")
            lines += _with_hashes(f"dbmirror=={version}", hashes)
        case FromWheel(path=path, sha256=sha256):
            lines += _with_hashes(f"./{path.as_posix()}", [sha256])
        case FromGit():
            git_requirement(installation)
    needed = files(__package__).joinpath("workflow_templates", "requirements.txt").read_text("utf-8")
    return ("\n".join(lines) + "\n" + needed).encode()


def git_requirement(installation: Installation) -> str | None:
    """The requirement of a git commit, `dbmirror @ git+https://…@COMMIT`; None for the other ways."""
    if not isinstance(installation, FromGit):
        return None
    _require(_GIT_URL, installation.url, "address of a git repository (https://HOST/PATH)")
    _require(_COMMIT, installation.commit, "commit (40 hexadecimal digits)")
    return f"dbmirror @ git+{installation.url}@{installation.commit}"


def _with_hashes(requirement: str, hashes: Sequence[str]) -> list[str]:
    for sha256 in hashes:
        _require(_SHA256, sha256, "SHA-256")
    if not hashes:
        raise RenderError(f"{requirement} has no hash, so a pipeline could not check what it installs.")
    return [" \\\n".join((requirement, *(f"    --hash=sha256:{sha256}" for sha256 in hashes)))]


def _require(form: re.Pattern[str], value: str, what: str) -> None:
    if not form.fullmatch(value):
        raise RenderError(f"{value[:120]!r} is no {what}.")
